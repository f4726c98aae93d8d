"""Outlives its parent for a few seconds and ends whatever the parent left behind.

The kernel asks every child to end when the stack's process ends (PDEATHSIG). This process makes sure of it: it learns the
children's ids over its standard input, and when that closes it waits for them, then kills the process groups that are still there.
It also holds the data directory's lock, so that a new run does not start before the old one is really gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil

GRACE_S = 15.0


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, signal.SIG_IGN)
    watched: dict[int, psutil.Process] = {}
    for line in sys.stdin:  # ends when the parent ends, however that happens
        word, _, number = line.strip().partition(" ")
        pid = int(number)
        if word == "watch" and (process := _process(pid)) is not None:
            watched[pid] = process
        elif word == "forget":
            watched.pop(pid, None)
    family = dict(watched)
    deadline = time.monotonic() + GRACE_S
    while True:
        for process in list(family.values()):  # workers of a child may outlive it
            try:
                family.update({child.pid: child for child in process.children(recursive=True)})
            except psutil.NoSuchProcess:
                continue
        left = [process for process in family.values() if _lives(process)]
        if not left:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for process in left:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()


if __name__ == "__main__":
    main()
