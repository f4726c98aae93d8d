"""What we ship names no machine it was written on, no package registry, and leaves no note to self."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Built from parts, so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"/(?:wor" + r"k|home|Users)/[a-z]"),
    "a package registry's address": re.compile(
        r"https?://[^\s\"']*(?:py" + r"pi|regis" + r"try\.npmjs|index-url|sim" + r"ple/)|--(?:extra-)?ind" + r"ex-url"
    ),
    "a note to self": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
}
NOT_OURS = ("tests/payloads/", "tests/fixtures/compose-spec.json", "LICENSE", "requirements.lock")


def tracked() -> list[Path]:
    """Files under version control; outside a checkout (an unpacked archive) every file that would be."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [p for p in ROOT.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.relative_to(ROOT).parts)]


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_tracked_files_hold_no(what: str) -> None:
    found = []
    for path in tracked():
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(NOT_OURS) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) < 2000 and FORBIDDEN[what].search(line):
                found.append(f"{place}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_lock_file_names_no_registry() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(?:-i|-f|--(?:extra-)?ind" + r"ex-url|--find-links)\b|https?://", text, re.MULTILINE)
