"""`chuantou up` as a person runs it: its own processes, its data, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CHUANTOU = [sys.executable, "-m", "chuantou"]


def until(condition: Callable[[], bool], limit_s: float = 60.0, why: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {limit_s:g} s {why()}"
        time.sleep(0.05)


class Up:
    """One running `chuantou up`."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.output = folder / f"output-{time.monotonic_ns()}"
        with self.output.open("wb") as out:
            env = {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}
            self.process = subprocess.Popen([*CHUANTOU, "up", "--data-dir", str(self.data_dir)], cwd=ROOT, stdout=out, stderr=out, env=env)
        until(lambda: "Ctrl-C stops" in self.text or self.process.poll() is not None, why=lambda: self.text)
        assert self.process.poll() is None, self.text

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir.parent / "data.lock").read_text())
        return found

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, sig: signal.Signals) -> int:
        self.process.send_signal(sig)
        return self.process.wait(60)


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def alive(processes: list[psutil.Process]) -> list[str]:
    left = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(" ".join(process.cmdline())[:120])
        except psutil.NoSuchProcess:
            continue
    return left


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="chuantou-stack-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[str], Up]]:
    running: list[Up] = []

    def make(name: str) -> Up:
        (folder / name).mkdir(mode=0o755, exist_ok=True)
        running.append(Up(folder / name))
        return running[-1]

    yield make
    for each in running:
        if each.process.poll() is None:
            each.end(signal.SIGTERM)


def test_two_installations_run_side_by_side_and_one_alone_per_directory(start: Callable[[str], Up]) -> None:
    left, right = start("left"), start("right")
    assert left.facts["url"] != right.facts["url"]
    for each in (left, right):
        assert httpx.get(f"{each.facts['url']}/readyz", trust_env=False).status_code == 200
    second = subprocess.run([*CHUANTOU, "up", "--data-dir", str(left.data_dir)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"process {left.process.pid}" in second.stderr
    assert left.facts["url"] in second.stderr


def test_a_stop_and_a_kill_leave_no_process_and_keep_the_data(start: Callable[[str], Up]) -> None:
    first = start("kept")
    password = re.search(r"user\s+admin, password (\S+)", first.text)
    assert password is not None
    url, family = first.facts["url"], first.family()
    assert len(family) > 5
    assert first.end(signal.SIGINT) == 0, first.text
    assert alive(family) == []

    second = start("kept")
    assert "password" not in second.text, "the administrator's password is shown once"
    assert second.facts["url"] == url, "ports stay the same, devices need them"
    login = {"username": "admin", "password": password[1]}
    assert httpx.post(f"{url}/api/v1/auth/token", data=login, trust_env=False).status_code == 200
    family = second.family()
    second.end(signal.SIGKILL)
    until(lambda: alive(family) == [], why=lambda: str(alive(family)))

    third = start("kept")
    assert httpx.post(f"{url}/api/v1/auth/token", data=login, trust_env=False).status_code == 200
    assert third.end(signal.SIGTERM) == 0


def test_a_killed_worker_and_killed_servers_come_back(start: Callable[[str], Up]) -> None:
    running = start("mended")

    def named(part: str) -> list[psutil.Process]:
        return [p for p in running.family() if part in command_of(p)]

    worker = named("-m ingest")[0]
    broker = named("mosquitto.conf")[0]
    for victim in (worker, broker):
        victim.kill()
    until(lambda: len(named("-m ingest")) == 2 and worker.pid not in {p.pid for p in named("-m ingest")})
    until(lambda: len(named("mosquitto.conf")) == 1 and broker.pid != named("mosquitto.conf")[0].pid)
    until(lambda: httpx.get(f"{running.facts['url']}/readyz", trust_env=False).status_code == 200)
    until(lambda: subprocess.run([*CHUANTOU, "doctor", "--data-dir", str(running.data_dir)], cwd=ROOT, capture_output=True).returncode == 0)


def test_doctor_says_how_to_mend_what_is_wrong(start: Callable[[str], Up]) -> None:
    running = start("doctored")
    doctor = [*CHUANTOU, "doctor", "--data-dir", str(running.data_dir)]
    sound = subprocess.run(doctor, cwd=ROOT, capture_output=True, text=True)
    assert sound.returncode == 0, sound.stdout
    assert "wrong" not in sound.stdout
    with psycopg.connect(running.facts["postgres"]) as conn:
        conn.execute("DELETE FROM schema_migration WHERE version = (SELECT max(version) FROM schema_migration)")
    ill = subprocess.run(doctor, cwd=ROOT, capture_output=True, text=True)
    assert ill.returncode == 1
    assert "-> run: chuantou migrate" in ill.stdout


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["migrate"], "CHUANTOU_DATABASE_URL"),
        (["ingest"], "CHUANTOU_DATABASE_URL"),
        (["api"], "CHUANTOU_DATABASE_URL"),
        (["broker-files"], "CHUANTOU_"),
    ],
)
def test_a_misconfigured_role_says_what_is_missing_and_exits_2(command: list[str], word: str) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}
    done = subprocess.run([*CHUANTOU, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert word in done.stderr
