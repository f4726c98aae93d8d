"""The cached Debian folder: made once, whatever is interrupted and however many ask. debootstrap is played by a script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from db.debian_folder import NAME, NoDebianFolder, debian_folder, is_whole, remove

TESTS = Path(__file__).resolve().parents[1]
WHOLE = 'mkdir -p "$part/usr/lib/postgresql/17/lib" && touch "$part/usr/lib/postgresql/17/lib/timescaledb.so"'


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make debootstrap do this; each call adds a line to the file `calls`. Returns that file."""

    def make(body: str) -> Path:
        program = tmp_path / "bin" / "debootstrap"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nfor part; do :; done\necho $$ >>{tmp_path}/calls\nmkdir "$part" || exit 9\n{body}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return tmp_path / "calls"

    return make


def asking(cache: Path) -> subprocess.Popen[str]:
    body = f"from pathlib import Path; from db.debian_folder import debian_folder; print(debian_folder(Path({str(cache)!r})))"
    return subprocess.Popen(
        [sys.executable, "-c", body], cwd=TESTS.parent, env=os.environ | {"PYTHONPATH": str(TESTS)}, stdout=subprocess.PIPE, text=True
    )


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {limit_s:g} s"
        time.sleep(0.02)


def test_two_runs_at_once_make_it_once(tmp_path: Path, play: Callable[[str], Path]) -> None:
    calls = play(f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; {WHOLE}")
    cache = tmp_path / "cache"
    runs = [asking(cache), asking(cache)]
    until(calls.exists)
    (tmp_path / "go").touch()
    assert [run.communicate(timeout=60)[0].strip() for run in runs] == [str(cache / NAME)] * 2
    assert len(calls.read_text().split()) == 1
    assert debian_folder(cache) == cache / NAME
    assert len(calls.read_text().split()) == 1, "and never again"


def test_a_killed_run_takes_debootstrap_with_it_and_the_next_one_starts_afresh(tmp_path: Path, play: Callable[[str], Path]) -> None:
    calls = play('touch "$part/half"; exec sleep 600')
    cache = tmp_path / "cache"
    killed = asking(cache)
    until((cache / f"{NAME}.part" / "half").exists)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    play(f'[ ! -e "$part/half" ] && {WHOLE}')
    assert is_whole(debian_folder(cache))
    assert not (cache / NAME / "half").exists()
    first, _ = (int(pid) for pid in calls.read_text().split())
    until(lambda: not Path(f"/proc/{first}").exists())


def test_what_a_killed_run_left_working_is_waited_for(tmp_path: Path, play: Callable[[str], Path]) -> None:
    play(f'(trap "" TERM; touch "$part/half"; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; touch {tmp_path}/ended) & wait')
    cache = tmp_path / "cache"
    killed = asking(cache)
    until((cache / f"{NAME}.part" / "half").exists)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    play(f"[ -e {tmp_path}/ended ] && {WHOLE}")
    second = asking(cache)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)
    (tmp_path / "go").touch()
    assert second.communicate(timeout=60)[0].strip() == str(cache / NAME)


def test_a_failure_is_told_with_the_end_of_the_log_and_leaves_no_folder(tmp_path: Path, play: Callable[[str], Path]) -> None:
    play("echo no mirror answers; exit 1")
    with pytest.raises(NoDebianFolder, match="no mirror answers"):
        debian_folder(tmp_path / "cache")
    assert not (tmp_path / "cache" / NAME).exists()
    play("exit 0")
    with pytest.raises(NoDebianFolder):  # it says that all is well, and nothing is there
        debian_folder(tmp_path / "cache")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_leftover_with_a_mount_inside_is_removed_and_the_mounted_files_are_not(tmp_path: Path) -> None:
    outside, leftover = tmp_path / "outside", tmp_path / "left over"
    (leftover / "proc").mkdir(parents=True)
    outside.mkdir()
    (outside / "precious").touch()
    if subprocess.run(["mount", "--bind", str(outside), str(leftover / "proc")], capture_output=True).returncode != 0:
        pytest.skip("mounts are not allowed here")
    remove(leftover)
    assert not leftover.exists()
    assert (outside / "precious").exists()
