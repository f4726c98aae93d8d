"""`chuantou up`: everything on one machine for real use. No sample data; system clock; data kept."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from collateral.logs import log_to_file
from db.child import free_port
from simulators.embedded.demo import _signals, _Stop
from simulators.embedded.place import PlaceLock, default_data_dir
from simulators.embedded.stack import NewUser, Stack, StackPlan
from simulators.embedded.status import console

API_PORT = 8000
BROKER_PORT = 1883
TICK_S = 0.2


@dataclass(frozen=True)
class UpOptions:
    """Ports: None = as at the last start, else the usual one when it is free, else a free one; devices need it to stay."""

    data_dir: Path | None = None
    tenant: str = "main"
    api_port: int | None = None
    broker_port: int | None = None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _port(asked: int | None, remembered: int | None, usual: int) -> int:
    return asked or remembered or (usual if _is_free(usual) else free_port())


def run_up(options: UpOptions) -> int:
    """Until Ctrl-C or SIGTERM. Raises StackFailed, StackRunsAlready, or the servers' errors."""
    out = console()
    data_dir = (options.data_dir or default_data_dir("up")).resolve()
    lock = PlaceLock(data_dir)
    try:
        data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        log_to_file(data_dir / "logs" / "stack.log")
        memory = data_dir / "ports.json"
        ports: dict[str, int] = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
        plan = StackPlan(
            data_dir,
            options.tenant,
            api_port=_port(options.api_port, ports.get("api"), API_PORT),
            broker_port=_port(options.broker_port, ports.get("broker"), BROKER_PORT),
            keep_secrets=True,
        )
        stack = Stack(plan, lock_fd=lock.fd)
        part = memory.with_suffix(".part")
        part.write_text(json.dumps({"api": stack.api_port, "broker": stack.broker.port}), encoding="utf-8")
        os.replace(part, memory)
        lock.write(**stack.facts())
        stop = _Stop()
        with _signals(stop):
            try:
                report = stack.start_servers()
                first = {} if stack.has_users() else stack.add_users((NewUser("admin", "Administrator", ("admin",)),))
                stack.start_roles()
                out.print(f"store    PostgreSQL {report.edition.server_version}, data in {data_dir}", highlight=False)
                out.print(f"broker   {stack.mqtt_address}, accounts of registered devices only", highlight=False)
                out.print(f"desk     {stack.url}/", highlight=False)
                for name, password in first.items():
                    out.print(f"user     {name}, password {password}  (shown this once)", highlight=False)
                out.print("Ctrl-C stops", highlight=False)
                while not stop.asked:
                    for name in stack.tick():
                        out.print(f"started again: {name} (its log: {data_dir}/logs)", highlight=False)
                    time.sleep(TICK_S)
            finally:
                stack.stop()
        return 0
    finally:
        lock.release()
