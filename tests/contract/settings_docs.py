"""The settings of every process, read from their classes; writes docs/settings.md's tables and .env.example.

python tests/contract/settings_docs.py          prints what differs
python tests/contract/settings_docs.py --write  brings both up to date
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"
PREFIX = "CHUANTOU_"
_MARK = re.compile(r"(<!-- settings:begin -->\n).*?(<!-- settings:end -->)", re.DOTALL)


def settings_classes() -> dict[str, type[BaseSettings]]:
    """Process -> its settings class, from every `settings` module of our packages."""
    found: dict[str, type[BaseSettings]] = {}
    for package in ("ingest", "risk", "api", "simulators"):
        for path in sorted((ROOT / package).rglob("*settings.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            module = importlib.import_module(name)
            for attribute in vars(module).values():
                if isinstance(attribute, type) and issubclass(attribute, BaseSettings) and attribute.__module__ == name:
                    found[f"{name.rsplit('.', 1)[0]}.{attribute.__name__}"] = attribute
    return found


def variable(cls: type[BaseSettings], field: str) -> str:
    return f"{cls.model_config.get('env_prefix', '')}{field}".upper()


def variables() -> set[str]:
    """Every environment variable that some process reads."""
    found: set[str] = set()
    for cls in settings_classes().values():
        for field, info in cls.model_fields.items():
            found |= {variable(cls, field), *re.findall(r"\bCHUANTOU_[A-Z0-9_]+\b", info.description or "")}
    return found


def _type(annotation: Any) -> str:
    if annotation is SecretStr:
        return "secret"
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    text = text.replace("pathlib._local.", "").replace("pathlib.", "").replace("pydantic.types.", "").replace("typing.", "")
    return text.replace("SecretStr", "secret").replace("Path", "path").replace(" | None", "").replace("|", "or")


def _default(info: Any) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "unset" if value is None else "empty" if value == "" else f"`{value}`"


def _bounds(info: Any) -> str:
    parts = []
    for rule in info.metadata:
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if getattr(rule, name, None) is not None:
                parts.append(f"{sign} {getattr(rule, name)}")
        if getattr(rule, "pattern", None):
            parts.append(f"matches `{rule.pattern}`".replace("|", "\\|"))
    return ", ".join(parts)


def tables() -> str:
    out = []
    for process, cls in settings_classes().items():
        out.append(f"## {process}\n")
        doc = (cls.__doc__ or "").strip().splitlines()
        if doc:
            out.append(doc[0] + "\n")
        out.append("| variable | type | default | meaning |\n|---|---|---|---|")
        for field, info in cls.model_fields.items():
            meaning = "; ".join(part for part in ((info.description or "").rstrip("."), _bounds(info)) if part)
            out.append(f"| `{variable(cls, field)}` | {_type(info.annotation)} | {_default(info)} | {meaning} |")
        out.append("")
    return "\n".join(out)


def example() -> str:
    lines = [
        "# Settings by environment. Copy to .env and keep only what you change; docs/settings.md explains each.",
        "# Secrets are better given as files: NAME_FILE=/path. Nothing is needed for `make demo` and `make test`.",
    ]
    seen: set[str] = set()
    for process, cls in settings_classes().items():
        lines += ["", f"# {process}"]
        for field, info in cls.model_fields.items():
            name = variable(cls, field)
            if name in seen:
                continue
            seen.add(name)
            value = "" if info.is_required() else info.get_default(call_default_factory=True)
            shown = "" if value is None or isinstance(value, SecretStr) else value
            lines.append(f"#{name}={shown}")
    return "\n".join(lines) + "\n"


def document() -> str:
    """docs/settings.md with its tables brought up to date."""
    return _MARK.sub(lambda m: m[1] + "\n" + tables() + "\n" + m[2], DOCUMENT.read_text(encoding="utf-8"))


def undescribed() -> list[str]:
    return [variable(cls, field) for cls in settings_classes().values() for field, info in cls.model_fields.items() if not info.description]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for path, text in ((DOCUMENT, document()), (EXAMPLE, example())):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stdout.write(f"{path.relative_to(ROOT)} differs\n")
            if "--write" in sys.argv:
                path.write_text(text, encoding="utf-8")
