"""`chuantou simulate SCENARIO` as a process of its own, as compose starts it, against running parts."""

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
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from collateral.clock import ScaledClock
from simulators.embedded.demo import USERS
from simulators.embedded.stack import Stack, StackPlan
from simulators.scenario import shipped
from simulators.state import WorldState
from simulators.world import build_world

ROOT = Path(__file__).resolve().parents[2]
SIMULATE = [sys.executable, "-m", "chuantou", "simulate"]
START = datetime(2020, 3, 9, 6, tzinfo=UTC)
SPEED = 1440.0


def bare_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}


class Simulate:
    """One running `chuantou simulate`; what it says goes to a file."""

    def __init__(self, output: Path, env: dict[str, str], *arguments: str) -> None:
        self.output = output
        with output.open("wb") as out:
            self.process = subprocess.Popen([*SIMULATE, *arguments], cwd=ROOT, env=env, stdout=out, stderr=out)

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def until(self, condition: Callable[[], bool], also: Callable[[], object], limit_s: float = 150.0) -> None:
        """also: called on the way."""
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, f"did not happen in {limit_s:g} s:\n{self.text[-4000:]}"
            also()
            time.sleep(0.05)

    def end(self, limit_s: float = 90) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="chuantou-simulate-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def stack(folder: Path) -> Iterator[Stack]:
    """Store, broker, ingest, risk and api on a clock that stands until the test starts it; no sample world."""
    (folder / "clock").write_text(f"standing {START.isoformat()}", encoding="ascii")
    (folder / "clock").chmod(0o644)
    made = Stack(StackPlan(folder / "data", "demo", clock=f"file:{folder / 'clock'}", fsync=False))
    try:
        made.start_servers()
        (folder / "users.json").write_text(json.dumps(made.add_users(USERS)), encoding="utf-8")
        made.start_roles()
        yield made
    finally:
        made.stop()


def rules_raised(stack: Stack) -> set[str]:
    with stack.pool.connection() as conn:
        return {code for (code,) in conn.execute("SELECT DISTINCT rule_code FROM alert")}


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_simulate_loads_the_world_once_and_plays_the_named_scenario_only(stack: Stack, folder: Path) -> None:
    env = stack.environment(
        CHUANTOU_SIM_API_URL=stack.url,
        CHUANTOU_SIM_MQTT_URL=stack.mqtt_address,
        CHUANTOU_SIM_USERS_FILE=str(folder / "users.json"),
        CHUANTOU_SIM_STATE_FILE=str(folder / "world.json"),
        CHUANTOU_SIM_PLAN_FILE=str(folder / "plan.json"),
        CHUANTOU_SIM_SIZE="0.2",
    )
    first = Simulate(folder / "first", env, "unauthorised-exit", "--load")
    first.until(lambda: '"simulators_ready"' in first.text, stack.tick)
    loaded = (folder / "world.json").read_bytes()
    assert "unauthorised-exit" in (folder / "plan.json").read_text()
    assert "cloned-tag" not in (folder / "plan.json").read_text()
    part = folder / "clock.part"
    part.write_text(ScaledClock(START, round(time.time() + 0.5, 6), SPEED).spec(), encoding="ascii")
    part.chmod(0o644)
    os.replace(part, folder / "clock")
    first.until(lambda: "R01" in rules_raised(stack), stack.tick)
    assert first.end() == 0, first.text
    assert rules_raised(stack) & {"R03", "R05", "R17", "V02"} == set(), "of other scenarios"

    again = Simulate(folder / "again", env, "none", "--load")
    again.until(lambda: '"simulators_ready"' in again.text, stack.tick)
    assert (folder / "world.json").read_bytes() == loaded, "a world that is loaded is not loaded again"
    assert again.end() == 0, again.text


def test_help_lists_every_scenario() -> None:
    done = subprocess.run([*SIMULATE, "--help"], cwd=ROOT, env=bare_environment() | {"COLUMNS": "200"}, capture_output=True, text=True)
    assert done.returncode == 0
    assert [s.name for s in shipped() if f"{s.name}: {s.title}." not in " ".join(done.stdout.split())] == []


def test_an_unknown_scenario_is_refused_with_the_list_and_code_2() -> None:
    done = subprocess.run([*SIMULATE, "cloned-tag,nonsense"], cwd=ROOT, env=bare_environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert "no scenario 'nonsense'; there are" in done.stderr
    assert [s.name for s in shipped() if s.name not in done.stderr] == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("CHUANTOU_SIM_SCENARIO", "nonsense", 2, "there are cloned-tag"),
        ("CHUANTOU_SIM_STATE_FILE", "/nonexistent/world.json", 2, "no sample world is loaded: /nonexistent/world.json"),
        ("CHUANTOU_SIM_SEED", "one", 2, "sim_seed"),
    ],
)
def test_a_misconfigured_simulate_says_what_is_wrong_and_exits_2(tmp_path: Path, setting: str, value: str, code: int, words: str) -> None:
    world = tmp_path / "world.json"
    world.write_text('{"seed": 1, "size": "0.05", "tenant": "demo", "passwords": {}, "users": {}}', encoding="utf-8")
    env = bare_environment() | {"CHUANTOU_SIM_STATE_FILE": str(world), setting: value}
    done = subprocess.run(SIMULATE, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert words in done.stderr


def test_a_load_that_the_api_refuses_ends_with_code_1_and_no_state(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    users.write_text('{"officer": "a good long password"}', encoding="utf-8")  # nobody who may load
    env = bare_environment() | {"CHUANTOU_SIM_STATE_FILE": str(tmp_path / "world.json"), "CHUANTOU_SIM_USERS_FILE": str(users)}
    done = subprocess.run([*SIMULATE, "none", "--load"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "api_refused"
    assert not (tmp_path / "world.json").exists()


def test_a_load_ends_on_sigterm_while_it_waits_for_an_api_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text(json.dumps({user.username: "a good long password" for user in USERS}), encoding="utf-8")
    env = bare_environment() | {
        "CHUANTOU_SIM_STATE_FILE": str(tmp_path / "world.json"),
        "CHUANTOU_SIM_USERS_FILE": str(tmp_path / "users.json"),
        "CHUANTOU_SIM_API_URL": "http://127.0.0.1:9",
    }
    running = Simulate(tmp_path / "output", env, "all", "--load")
    running.until(lambda: '"api_retry"' in running.text, lambda: None)
    assert running.end() == -signal.SIGTERM, running.text


def test_simulate_ends_on_sigterm_while_its_devices_wait_for_the_broker(tmp_path: Path) -> None:
    devices = {d.device_id: "a device's password" for d in build_world(1, Decimal("0.2")).devices}
    WorldState(1, "0.2", "demo", devices, {}).save(tmp_path / "world.json")
    env = bare_environment() | {"CHUANTOU_SIM_STATE_FILE": str(tmp_path / "world.json"), "CHUANTOU_SIM_MQTT_URL": "mqtt://127.0.0.1:9"}
    running = Simulate(tmp_path / "output", env, "none")
    running.until(lambda: '"devices_connecting"' in running.text, lambda: None)
    assert running.end(limit_s=30) == 0, "long before it would have given the devices up"
