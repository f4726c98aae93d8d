"""docs/settings.md and .env.example say what the settings classes say; no variable is read behind their back."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("settings_docs", Path(__file__).with_name("settings_docs.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["settings_docs"] = module
    spec.loader.exec_module(module)
    return module


docs = _load()
MEND = "run: .venv/bin/python tests/contract/settings_docs.py --write"


def test_settings_page_equals_the_classes() -> None:
    assert docs.DOCUMENT.read_text(encoding="utf-8") == docs.document(), MEND


def test_example_environment_equals_the_classes() -> None:
    assert docs.EXAMPLE.read_text(encoding="utf-8") == docs.example(), MEND


def test_every_setting_has_a_meaning() -> None:
    assert docs.undescribed() == []


@pytest.mark.parametrize("name", sorted(docs.settings_classes()))
def test_settings_are_frozen_and_prefixed(name: str) -> None:
    config = docs.settings_classes()[name].model_config
    assert config.get("env_prefix") == docs.PREFIX
    assert config.get("frozen") is True


def test_no_variable_is_read_outside_the_classes() -> None:
    known = docs.variables()
    unknown = []
    for package in ("db", "collateral", "ingest", "risk", "api", "simulators"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in re.findall(r"\bCHUANTOU_[A-Z][A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8")):
                if name not in known:
                    unknown.append(f"{path.relative_to(ROOT)}: {name}")
    assert not unknown, "\n".join(sorted(set(unknown)))
