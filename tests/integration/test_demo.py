"""`chuantou demo` from start to closing report: the incidents, the identity of the counters, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from db.embedded import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
INCIDENTS = ("R01", "R02", "R03", "R04", "R05", "R12b", "R16", "R17", "R21", "V01", "V02", "V03", "V04")
RUN_LIMIT_S = 240.0

pytestmark = pytest.mark.slow


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}


class Run:
    """A demo in a data directory of its own; one worker is killed on the way."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.data_dir = folder / "demo"
        self.json = folder / "demo.json"
        self.output = folder / "output"
        with self.output.open("wb") as out:
            command = [sys.executable, "-m", "chuantou", "demo", "--json", str(self.json), "--data-dir", str(self.data_dir), *arguments]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment())

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def until(self, condition: Callable[[], bool], limit_s: float = 90.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, f"did not happen in {limit_s:g} s:\n{self.text}"
            time.sleep(0.05)


def running(processes: list[psutil.Process]) -> list[str]:
    left = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(" ".join(process.cmdline())[:120])
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return left


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="chuantou-demo-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def demo(place: Path) -> Run:
    """One whole run of 90 s, with a worker killed in the middle."""
    folder = place / "whole"
    folder.mkdir(mode=0o755)
    run = Run(folder, "--for", "90s", "--seed", "1")
    run.until(lambda: "connecting the devices" in run.text)
    run.until(lambda: "readings/s" in run.text)
    workers = [p for p in run.family() if p.cmdline()[1:] == ["-m", "ingest"]]
    assert len(workers) == 2
    workers[0].send_signal(signal.SIGKILL)
    run.process.wait(RUN_LIMIT_S)
    assert run.process.returncode == 0, run.text
    return run


@pytest.fixture(scope="module")
def report(demo: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(demo.json.read_text())
    return found


@pytest.mark.timeout(420)
def test_every_incident_ends_in_an_alert(report: dict[str, Any]) -> None:
    assert [code for code in INCIDENTS if not report["alerts"].get(code)] == []
    assert report["margin_calls"] >= 1
    assert report["disposal_cases"] >= 1


def test_counters_add_up_and_agree_with_the_tables_though_a_worker_was_killed(report: dict[str, Any]) -> None:
    r = report["readings"]
    assert r["received"] > 10_000
    assert r["received"] == r["stored"] + r["repeated"] + r["absorbed"] + r["refused"]
    assert report["agrees_with_tables"] is True
    assert report["drained"] is True
    assert sum(report["restarts"].values()) == 1, "the killed worker came back, nothing else ended"


def test_publish_to_alert_was_measured_at_a_client(report: dict[str, Any]) -> None:
    assert report["latency_ms"]["samples"] >= 3
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]


def test_the_release_done_right_raises_nothing_and_the_silent_reader_makes_nothing_missing(demo: Run) -> None:
    plan = json.loads((demo.data_dir / "world" / "plan.json").read_text())
    released = subjects_of(plan, "release-done-right")
    assert released
    with EmbeddedPostgres(demo.data_dir / "pg") as server, psycopg.connect(server.url) as conn:
        alerts = conn.execute("SELECT rule_code, subject_id FROM alert").fetchall()
        left = conn.execute("SELECT goods_id FROM movement WHERE kind = 'GATE_OUT'").fetchall()
        missing = conn.execute("SELECT count(*) FROM alert WHERE rule_code = 'R02'").fetchone()
    assert released & {goods for (goods,) in left}, "the released goods really left"
    # The plan names the facility too; how that is spread (R27) is a state of its book and not the release's doing.
    assert [a for a in alerts if a[1] in released and a[0] != "R27"] == []
    assert missing == (1,), "one tag is missing; the goods behind the silent reader are not"


def subjects_of(plan: Any, scenario: str) -> set[str]:
    """All goods ids that the plan names for a scenario."""
    if isinstance(plan, dict):
        if scenario in plan:
            return set(strings(plan[scenario]))
        if plan.get("scenario") == scenario or plan.get("name") == scenario:
            return set(strings(plan))
        return set().union(*(subjects_of(v, scenario) for v in plan.values()))
    if isinstance(plan, list):
        return set().union(*(subjects_of(v, scenario) for v in plan))
    return set()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@pytest.mark.timeout(240)
def test_a_killed_demo_leaves_no_process_and_starts_again(place: Path) -> None:
    folder = place / "killed"
    folder.mkdir(mode=0o755)
    first = Run(folder)
    first.until(lambda: "connecting the devices" in first.text)
    family = first.family()
    assert len(family) > 8
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = Run(folder)  # waits for what the first left behind
    second.until(lambda: "readings/s" in second.text)
    assert running(family) == []
    family = second.family()
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(90) == 0, second.text
    assert running(family) == []
    assert json.loads(second.json.read_text())["agrees_with_tables"] is True
