"""Cut requirements.lock down to what runs: the closure of pyproject's dependencies, without test and lint tools.

    python deploy/runtime_lock.py pyproject.toml requirements.lock > runtime.lock

The lock says after each package which packages asked for it (`# via`). A package stays when pyproject names it as a dependency or
when a package that stays asked for it. Hashes stay, so pip can still be told --require-hashes.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def normal(name: str) -> str:
    """A project's name as registries compare it, without extras."""
    return re.sub(r"[-_.]+", "-", name.split("[")[0].strip()).lower()


def blocks(lock: str) -> dict[str, tuple[str, set[str]]]:
    """Package -> its lines in the lock, and who asked for it."""
    found: dict[str, tuple[str, set[str]]] = {}
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        head = re.match(r"([A-Za-z0-9._-]+(?:\[[^\]]*\])?)==", block)
        if not head:
            continue
        comments = "\n".join(line for line in block.splitlines() if line.lstrip().startswith("#"))
        askers = set(re.findall(r"^\s*#\s+(?:via\s+)?([A-Za-z0-9][\w.\[\],-]*)", comments.replace("# via\n", ""), re.MULTILINE))
        pinned = "\n".join(line for line in block.splitlines() if not line.lstrip().startswith("#"))
        found[normal(head[1])] = (pinned.rstrip() + "\n", {normal(asker) for asker in askers})
    return found


def runtime_lock(pyproject: str, lock: str) -> str:
    """The lock of what runs. Raises ValueError when the lock lacks a dependency."""
    wanted = {normal(re.split(r"[<>=!~;\s]", one)[0]) for one in tomllib.loads(pyproject)["project"]["dependencies"]}
    locked = blocks(lock)
    if missing := sorted(wanted - locked.keys()):
        raise ValueError(f"requirements.lock lacks {', '.join(missing)}")
    kept = set(wanted)
    while more := {name for name, (_, askers) in locked.items() if name not in kept and askers & kept}:
        kept |= more
    return "".join(locked[name][0] for name in sorted(kept))


if __name__ == "__main__":
    sys.stdout.write(runtime_lock(Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2]).read_text(encoding="utf-8")))
