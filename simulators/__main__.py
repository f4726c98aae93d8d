"""`python -m simulators load-world | run | scenarios`: puts the sample world into an installation, and lets it live."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import httpx
from pydantic import ValidationError

from collateral.clock import clock_from_spec
from collateral.logs import log_to_stderr
from simulators.http import Api, ApiRefused
from simulators.loader import describe, load_world
from simulators.publisher import BrokerAddress
from simulators.run import RunPlan, read_users, run, titles
from simulators.scenario import ScenarioError, choose, shipped
from simulators.settings import SimulatorSettings
from simulators.state import WorldState
from simulators.world import build_world

log = logging.getLogger("simulators")

MISCONFIGURED = 2


def _arguments(settings: SimulatorSettings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load-world", help="load the sample world through the API")
    load.add_argument("--seed", type=int, default=settings.sim_seed)
    load.add_argument("--size", default=settings.sim_size)
    load.add_argument("--credentials", type=Path, default=settings.sim_users_file, help="JSON file: passwords by user name")
    load.add_argument("--tenant", default=settings.tenant)
    play = commands.add_parser("run", help="let the devices work and play scenarios")
    play.add_argument("--mqtt", default=settings.sim_mqtt_url)
    play.add_argument("--clock", default=settings.clock)
    play.add_argument("--scenario", default=settings.sim_scenario, help="all, none, or names separated by commas")
    play.add_argument("--plan", type=Path, default=settings.sim_plan_file)
    for command in (load, play):
        command.add_argument("--api", default=settings.sim_api_url)
        command.add_argument("--state", type=Path, default=settings.sim_state_file)
    commands.add_parser("scenarios", help="list the scenarios")
    return parser


def load_command(*, seed: int, size: str, api_url: str, users_file: Path | None, state_file: Path, tenant: str) -> WorldState:
    """Load the sample world and write its state file. Raises ApiRefused, OSError, ValueError."""
    if users_file is None:
        raise ValueError("load-world needs --credentials or CHUANTOU_SIM_USERS_FILE")
    users = read_users(users_file)
    with Api(api_url, users) as api:
        state = load_world(api, build_world(seed, Decimal(size)), tenant=tenant, size=Decimal(size), users=users)
    state.save(state_file)
    return state


def run_command(
    *,
    state_file: Path,
    api_url: str,
    mqtt_url: str,
    ca_file: Path | None,
    clock: str,
    scenario: str,
    plan_file: Path | None,
    stopping: threading.Event,
) -> list[str]:
    """Run until `stopping` is set; returns what failed in the scenarios. Raises OSError, ValueError (ScenarioError)."""
    if not state_file.exists():
        raise ValueError(
            f"no sample world is loaded: {state_file.absolute()} (CHUANTOU_SIM_STATE_FILE) does not exist; load-world writes it"
        )
    plan = RunPlan(
        state=WorldState.read(state_file),
        scenarios=choose(scenario),
        api_url=api_url,
        broker=BrokerAddress.parse(mqtt_url, None if ca_file is None else str(ca_file)),
        clock=clock_from_spec(clock),
        plan_file=plan_file,
    )
    return run(plan, stopping)


def simulate(scenario: str | None, *, load: bool) -> int:
    """What `chuantou simulate` does: the devices work and play, settings from the environment. Returns the exit code as main does.

    load: load the sample world first when there is no state file yet. scenario: None = as set.
    """
    chosen = [] if scenario is None else ["--scenario", scenario]
    if load:
        try:
            loaded = SimulatorSettings().sim_state_file.exists()
        except ValidationError as exc:
            sys.stderr.write(f"{exc}\n")
            return MISCONFIGURED
        if not loaded and (code := main(["load-world"])):
            return code
    return main(["run", *chosen])


def main(argv: Sequence[str] | None = None) -> int:
    """The process. Returns its exit code: 0, 1 when the API refused or a scenario failed, 2 when misconfigured."""
    try:
        settings = SimulatorSettings()
    except ValidationError as exc:
        sys.stderr.write(f"{exc}\n")
        return MISCONFIGURED
    log_to_stderr(settings.log_level)
    args = _arguments(settings).parse_args(argv)
    stopping = threading.Event()
    if args.command == "run":  # the others may end at once, wherever they are
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
    try:
        if args.command == "scenarios":
            sys.stdout.write(titles(shipped()) + "\n")
        elif args.command == "load-world":
            state = load_command(
                seed=args.seed, size=args.size, api_url=args.api, users_file=args.credentials, state_file=args.state, tenant=args.tenant
            )
            sys.stdout.write(describe(state) + "\n")
        else:
            failures = run_command(
                state_file=args.state,
                api_url=args.api,
                mqtt_url=args.mqtt,
                ca_file=settings.sim_mqtt_ca_file,
                clock=args.clock,
                scenario=args.scenario,
                plan_file=args.plan,
                stopping=stopping,
            )
            if failures:
                log.error("scenarios failed", extra={"event": "scenarios_failed", "failures": failures})
                return 1
    except (ApiRefused, httpx.HTTPError) as exc:
        if stopping.is_set():  # a request that was not tried again
            return 0
        log.error("the API did not do as asked", extra={"event": "api_refused", "error": str(exc)})
        return 1
    except (OSError, ScenarioError, ValueError) as exc:
        log.error("the simulators cannot start", extra={"event": "misconfigured", "error": str(exc)})
        return MISCONFIGURED
    return 0


if __name__ == "__main__":
    sys.exit(main())
