"""Where a stack keeps its data, and that only one runs there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from db.child import account_for_servers, reachable_by

CHECKOUT = Path(__file__).resolve().parents[2]
WAIT_FOR_OLD_S = 30.0


class StackRunsAlready(Exception):
    """A stack already uses this data directory; the message says which."""


def default_data_dir(name: str) -> Path:
    """`.chuantou/NAME` in the checkout, or a folder of this checkout's own under /var/tmp when the servers' account cannot enter it."""
    account = account_for_servers()
    home = CHECKOUT if os.access(CHECKOUT, os.W_OK) else Path.cwd()
    if reachable_by(home, account) and os.access(home, os.W_OK):
        return home / ".chuantou" / name
    mark = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"chuantou-{os.geteuid()}-{mark}" / name  # noqa: S108 - named after user and checkout, made private below


class PlaceLock:
    """Held from start until the last child is gone: the guardian inherits the descriptor. Raises StackRunsAlready."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir.parent / f"{data_dir.name}.lock"
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self.path.parent.stat().st_uid != os.geteuid():
            raise StackRunsAlready(f"{self.path.parent} belongs to another user; choose another data directory")
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + WAIT_FOR_OLD_S
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = self.read()
                if psutil.pid_exists(int(holder.get("pid", -1))) or time.monotonic() > deadline:
                    os.close(self.fd)
                    where = holder.get("url") or "still starting"
                    raise StackRunsAlready(
                        f"one already runs on {data_dir}: process {holder.get('pid', '?')}, {where}; end it first, or use another checkout"
                    ) from None
                time.sleep(0.1)  # its children are ending
        self.write()

    def read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, **facts: Any) -> None:
        """Tell others who runs here."""
        text = json.dumps({"pid": os.getpid(), **facts}).encode()
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, text, 0)

    def release(self) -> None:
        os.close(self.fd)


def running_stack(data_dir: Path | None) -> dict[str, Any]:
    """What the stack of data_dir, or of this checkout's `up` or `demo`, says of itself; empty when none runs."""
    for folder in [data_dir] if data_dir is not None else [default_data_dir("up"), default_data_dir("demo")]:
        try:
            found = json.loads((folder.parent / f"{folder.name}.lock").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and psutil.pid_exists(int(found.get("pid", -1))):
            return found
    return {}
