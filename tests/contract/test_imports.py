"""The map in docs/architecture.md: who may import whom, and that each framework has one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("db", "collateral", "ingest", "risk", "api", "simulators")

# package -> what it may import of ours; a dotted name allows that module only.
ALLOWED: dict[str, tuple[str, ...]] = {
    "db": (),
    "collateral": ("db",),
    "ingest": ("collateral", "db"),
    "risk": ("collateral", "db"),
    "api": ("risk", "collateral", "db", "ingest.intake", "ingest.readings", "ingest.wire"),
    "simulators": ("ingest.topics", "ingest.messages", "collateral.units", "collateral.ids", "collateral.clock", "collateral.logs"),
}
# The one-machine stack starts every part, so it alone may reach further (docs/decisions/0008).
EMBEDDED_PLACES = ("simulators/embedded", "simulators/bench")
EMBEDDED_ALSO = ("db", "ingest", "collateral", "api", "risk")

# framework -> the only places that import it
FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "paho": ("ingest/subscriber.py", "ingest/mqtt_reader.py", "simulators/publisher.py", "simulators/bench/plain_client.py"),
    "apscheduler": ("risk/schedule.py",),
    "fastapi": ("api/",),
    "starlette": ("api/",),
    "shapely": ("collateral/zones.py",),
    "typer": ("chuantou.py",),
}


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every absolute import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(allowed + ".")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_flow_one_way(package: str) -> None:
    wrong: list[str] = []
    for path in sources(package):
        place = path.relative_to(ROOT).as_posix()
        allowed = ALLOWED[package] + (EMBEDDED_ALSO if place.startswith(EMBEDDED_PLACES) else ())
        for line, name in imports_of(path):
            if name.split(".")[0] not in PACKAGES or _within(name, package):
                continue
            if not any(_within(name, one) for one in allowed):
                wrong.append(f"{place}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_collateral_reaches_the_database_only_in_services_and_stores() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources("collateral")
        if not path.stem.endswith(("service", "store", "transactions"))
        for line, name in imports_of(path)
        if name.split(".")[0] in ("db", "psycopg", "psycopg_pool")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_each_framework_has_one_place(framework: str) -> None:
    places = FRAMEWORKS[framework]
    files = [path for package in PACKAGES for path in sources(package)] + [p for p in (ROOT / "chuantou.py",) if p.exists()]
    wrong = [
        f"{place}:{line}"
        for path in files
        if not (place := path.relative_to(ROOT).as_posix()).startswith(places)
        for line, name in imports_of(path)
        if _within(name, framework)
    ]
    assert not wrong, f"{framework} outside {', '.join(places)}: {', '.join(wrong)}"


def test_no_package_imports_the_command_line() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in sources(package)
        for line, name in imports_of(path)
        if _within(name, "chuantou")
    ]
    assert not wrong
