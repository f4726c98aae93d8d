"""Every document leads somewhere: relative links, their anchors, and the documents that source comments point to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_IN_SOURCE = re.compile(r"docs/[A-Za-z0-9_./-]+\.md(?:#[A-Za-z0-9-]+)?")


def anchors(path: Path) -> set[str]:
    """The anchors a forge makes of the headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text)))
    return found


def _fault(target: str, base: Path) -> str | None:
    where, _, anchor = target.partition("#")
    path = (base / where).resolve() if where else None
    if path is not None and not path.exists():
        return f"{target} does not exist"
    if anchor and path is not None and path.suffix == ".md" and anchor not in anchors(path):
        return f"{target} has no such heading"
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_resolve(document: Path) -> None:
    faults = []
    for inline, image in _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8"))):
        target = inline or image
        if re.match(r"[a-z]+:", target):
            continue
        faults.append(_fault(document.name + target if target.startswith("#") else target, document.parent))
    assert not [f for f in faults if f]


def test_documents_named_in_sources_exist() -> None:
    faults = []
    files = [*ROOT.glob("*.py"), ROOT / "Makefile", ROOT / "docker-compose.yml"]
    for folder in ("db", "collateral", "ingest", "risk", "api", "simulators", "deploy"):
        files += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".sql", ".yml", ".sh", ".conf")]
    for path in files:
        if not path.exists():
            continue
        for target in _IN_SOURCE.findall(path.read_text(encoding="utf-8")):
            fault = _fault(target, ROOT)
            if fault:
                faults.append(f"{path.relative_to(ROOT)}: {fault}")
    assert not faults, "\n".join(faults)


def test_every_document_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    queue = [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        for inline, _ in _LINK.findall(page.read_text(encoding="utf-8")):
            target = inline.partition("#")[0]
            if target.endswith(".md") and not re.match(r"[a-z]+:", target):
                queue.append((page.parent / target).resolve())
    lost = [p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md") if p not in seen]
    assert not lost, f"not reachable from README.md: {lost}"
