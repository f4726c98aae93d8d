"""`chuantou demo`: the whole system on one machine with a sample world, its incidents, a live status and a closing report.

The world loads while the shared clock stands at its start; then the clock runs for all processes at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout
from rich.live import Live

from collateral.clock import ScaledClock, clock_from_spec
from collateral.logs import log_to_file
from simulators.embedded.broker_probe import BacklogMeter
from simulators.embedded.figures import Figures, look, readings, report
from simulators.embedded.latency import LatencyMeter
from simulators.embedded.place import PlaceLock, default_data_dir
from simulators.embedded.stack import NewUser, Stack, StackPlan, remove_data
from simulators.embedded.status import Status, console, draw, plain_line
from simulators.embedded.supervisor import Role, StackFailed

WORLD_START = datetime(2020, 3, 9, 6, tzinfo=UTC)
SPEED = 1440.0  # a day a minute
LOAD_WAIT_S = 180.0
DRAIN_WAIT_S = 60.0
DRAIN_STILL_S = 2.0
TICK_S = 0.1
LOOK_S = 1.0
TENANT = "demo"
SIMULATORS_READY = '"simulators_ready"'
USERS = (
    NewUser("officer", "Chen Wei, risk officer", ("risk_officer",)),
    NewUser("approver", "Li Na, approver", ("approver",)),
    NewUser("approver2", "Zhao Min, second approver", ("approver",)),
    NewUser("operator", "Wang Jun, warehouse operator", ("warehouse_operator",)),
    NewUser("devices", "Sun Hao, device administrator", ("device_admin",)),
    NewUser("auditor", "Xu Lan, auditor", ("auditor",)),
    NewUser("loader", "The bank's core system", ("system",)),
)


@dataclass(frozen=True)
class DemoOptions:
    """for_s: real seconds from the moment the clock starts; None = until stopped."""

    for_s: float | None = None
    json_path: Path | None = None
    seed: int = 1
    speed: float = SPEED
    data_dir: Path | None = None


class _Stop:
    """Set by the first Ctrl-C or SIGTERM; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def _signals(stop: _Stop) -> Iterator[None]:
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """One run."""

    def __init__(self, options: DemoOptions, stack: Stack, clock_path: Path) -> None:
        self.options = options
        self.stack = stack
        self.clock_path = clock_path
        self.clock: ScaledClock | None = None
        self.users: dict[str, str] = {}
        self.stop = _Stop()
        self.console = console()
        self._meter: LatencyMeter | None = None
        self._backlog: BacklogMeter | None = None
        self._rate = 0.0
        self._last: tuple[float, int] | None = None
        self._figures = Figures({}, {}, {}, [], [], [])

    def run(self) -> dict[str, Any] | None:
        """Until the time is up or somebody stops it. Returns the closing report; None when it was stopped before the world ran."""
        with _signals(self.stop):
            self._prepare()
            if self.stop.asked:
                return None
            self._start_world()
            if self.clock is None:
                return None
            self._watch()
            return self._close()

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _prepare(self) -> None:
        self._say("starting the store and the broker ...")
        edition = self.stack.start_servers().edition
        self._say(f"  PostgreSQL {edition.server_version}, TimescaleDB {edition.timescale_version or 'not there: plain tables'}")
        self.users = self.stack.add_users(USERS)
        self._say("starting ingest, risk and api ...")
        self.stack.start_roles()
        self._meter = LatencyMeter(self.stack.url, "officer", self.users["officer"], lambda: self.clock)
        self._meter.start()
        self._backlog = BacklogMeter(self.stack.monitor_url)
        self._backlog.start()
        self._say("loading the sample world over HTTP ...")
        self._write_users()
        self.stack.supervisor.start(Role("load-world", self._simulators("load-world"), self._simulator_environment(), once=True))
        deadline = time.monotonic() + LOAD_WAIT_S
        while self.stack.supervisor.exit_code("load-world") != 0:
            self.stack.tick()
            if self.stop.asked:
                return
            if time.monotonic() > deadline:
                raise StackFailed(f"the world did not load within {LOAD_WAIT_S:g} s:\n{self.stack.supervisor.log_tail('load-world')}")
            time.sleep(TICK_S)
        self.stack.supervisor.stop(["load-world"])

    @property
    def _world_dir(self) -> Path:
        return self.stack.plan.data_dir / "world"

    def _write_users(self) -> None:
        self._world_dir.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(self._world_dir / "users.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.users, file)

    def _simulators(self, command: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "simulators", command)

    def _simulator_environment(self) -> dict[str, str]:
        return self.stack.environment(
            CHUANTOU_SIM_SEED=str(self.options.seed),
            CHUANTOU_SIM_API_URL=self.stack.url,
            CHUANTOU_SIM_MQTT_URL=self.stack.mqtt_address,
            CHUANTOU_SIM_USERS_FILE=str(self._world_dir / "users.json"),
            CHUANTOU_SIM_STATE_FILE=str(self._world_dir / "world.json"),
            CHUANTOU_SIM_PLAN_FILE=str(self._world_dir / "plan.json"),
        )

    def _start_world(self) -> None:
        self._say("connecting the devices ...")
        self.stack.supervisor.start(Role("simulators", self._simulators("run"), self._simulator_environment(), once=True))
        deadline = time.monotonic() + LOAD_WAIT_S
        while SIMULATORS_READY not in self.stack.supervisor.log_tail("simulators", 100_000):
            self.stack.tick()
            if self.stop.asked:
                return
            if time.monotonic() > deadline:
                raise StackFailed(f"the devices did not connect within {LOAD_WAIT_S:g} s:\n{self.stack.supervisor.log_tail('simulators')}")
            time.sleep(TICK_S)
        self.clock = ScaledClock(WORLD_START, round(time.time() + 1.0, 6), self.options.speed)
        part = self.clock_path.with_suffix(".part")
        part.write_text(self.clock.spec(), encoding="ascii")
        os.replace(part, self.clock_path)

    def _watch(self) -> None:
        assert self.clock is not None
        end = None if self.options.for_s is None else self.clock.wall_start + self.options.for_s
        live = Live(console=self.console, auto_refresh=False, transient=False) if self.console.is_terminal else None
        next_look = next_line = 0.0
        with live or contextlib.nullcontext():
            while not self.stop.asked and (end is None or time.time() < end):
                self.stack.tick()
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + LOOK_S
                    self._look()
                    status = self._status(end)
                    if live is not None:
                        live.update(draw(status, self._figures), refresh=True)
                    elif now >= next_line:
                        next_line = now + 10
                        self._say(plain_line(status, self._figures))
                time.sleep(TICK_S)

    def _look(self) -> None:
        with contextlib.suppress(psycopg.Error, PoolTimeout):  # the store is being started again: show the last figures
            self._figures = look(self.stack.pool)
            received, now = self._figures.readings.get("received", 0), time.monotonic()
            if self._last is not None:
                self._rate = (received - self._last[1]) / max(1e-6, now - self._last[0])
            self._last = (now, received)

    def _status(self, end: float | None) -> Status:
        assert self.clock is not None
        assert self._meter is not None
        assert self._backlog is not None
        parts = ", ".join(f"{name} {'' if self.stack.supervisor.pid(name) else 'down'}".strip() for name in self.stack.supervisor.names)
        return Status(
            world_now=self.clock.now(),
            speed=self.clock.speed,
            url=self.stack.url,
            users={name: self.users[name] for name in ("officer", "approver")},
            readings_per_s=self._rate,
            backlog=self._backlog.messages,
            latency_ms=self._meter.summary(),
            seconds_left=None if end is None else end - time.time(),
            parts=parts,
        )

    def _close(self) -> dict[str, Any]:
        """Silence the devices, let ingest finish what waits, then count."""
        assert self.clock is not None
        assert self._meter is not None
        assert self._backlog is not None
        ended = self.clock.now()
        self._say("stopping the simulators and letting ingest finish ...")
        self.stack.supervisor.stop(["simulators"])
        drained = self._drain()
        result = {
            **report(self.stack.pool),
            "drained": drained,
            "latency_ms": self._meter.summary(),
            "url": self.stack.url,
            "users": self.users,
            "seed": self.options.seed,
            "world": {"from": self.clock.start.isoformat(), "to": ended.isoformat(), "speed": self.clock.speed},
            "restarts": {name: n for name in self.stack.supervisor.names if (n := self.stack.supervisor.restarts(name))},
        }
        self._meter.stop()
        self._backlog.stop()
        return result

    def _drain(self) -> bool:
        """Whether the tally stood still with nothing waiting in the broker."""
        assert self._backlog is not None
        deadline = time.monotonic() + DRAIN_WAIT_S
        last, since = readings(self.stack.pool), time.monotonic()
        while time.monotonic() < deadline:
            self.stack.tick()
            time.sleep(TICK_S)
            now = readings(self.stack.pool)
            if now != last or self._backlog.messages not in (0, None):
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= DRAIN_STILL_S:
                return True
        return False


def run_demo(options: DemoOptions) -> int:
    """Run it; 0 = ended as asked. Raises StackFailed, StackRunsAlready, or the servers' errors."""
    data_dir = options.data_dir or default_data_dir("demo")
    lock = PlaceLock(data_dir)
    try:
        remove_data(data_dir)
        data_dir.mkdir(mode=0o755, parents=True)
        log_to_file(data_dir / "logs" / "stack.log")
        clock_path = data_dir / "clock"
        clock_path.write_text(f"standing {WORLD_START.isoformat()}", encoding="ascii")
        spec = f"file:{clock_path.resolve()}"
        clock_from_spec(spec)
        stack = Stack(StackPlan(data_dir, TENANT, clock=spec, replay_account=True), lock_fd=lock.fd)
        lock.write(**stack.facts())
        demo = Demo(options, stack, clock_path)
        try:
            result = demo.run()
        finally:
            stack.stop()
        if result is not None:
            _publish(result, options.json_path, demo)
        return 0
    finally:
        lock.release()


def _publish(result: dict[str, Any], path: Path | None, demo: Demo) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    r = result["readings"]
    agrees = "as the tables say" if result["agrees_with_tables"] else "BUT THE TABLES SAY OTHERWISE"
    demo.console.print(
        f"readings: received {r['received']} = stored {r['stored']} + repeated {r['repeated']} + absorbed {r['absorbed']}"
        f" + refused {r['refused']}, {agrees}\n"
        f"alerts: {' '.join(f'{code} {count}' for code, count in result['alerts'].items()) or 'none'}\n"
        f"margin calls {result['margin_calls']}, disposal cases {result['disposal_cases']}\n"
        f"publish to alert: p50 {result['latency_ms']['p50']} ms, p99 {result['latency_ms']['p99']} ms"
        f" over {result['latency_ms']['samples']} alerts",
        highlight=False,
        soft_wrap=True,
    )
