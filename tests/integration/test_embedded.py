"""The embedded servers: one owner per data directory, nothing left behind, data kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from db.embedded import EmbeddedPostgres, EmbeddedServerError, server_of
from ingest.embedded_broker import EmbeddedBroker, EmbeddedBrokerError, mosquitto_from_packages

ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_a_second_server_on_the_same_data_is_refused_and_the_first_lives_on(server_dir: Path) -> None:
    with EmbeddedPostgres(server_dir / "one-owner", fsync=False) as first:
        assert server_of(first.data_dir) == first.pid
        with pytest.raises(EmbeddedServerError, match=f"process {first.pid}"):
            EmbeddedPostgres(server_dir / "one-owner", fsync=False).start()
        with psycopg.connect(first.url) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    assert server_of(server_dir / "one-owner") is None


def test_a_killed_server_starts_again_with_what_was_committed(server_dir: Path) -> None:
    server = EmbeddedPostgres(server_dir / "killed")  # fsync on: this is what `up` runs
    with server:
        with psycopg.connect(server.url) as conn:
            conn.execute("CREATE TABLE kept (n integer)")
            conn.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        server.kill()
        server.start()
        with psycopg.connect(server.url) as conn:
            assert conn.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_a_lock_file_whose_number_another_program_now_has_does_not_stop_the_start(server_dir: Path) -> None:
    server = EmbeddedPostgres(server_dir / "reused-pid", fsync=False)
    with server:
        pass
    lock = server.data_dir / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{server.data_dir}\n")
    os.chmod(lock, 0o644)
    with server, psycopg.connect(server.url) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


_STARTER = """
import sys, time
from pathlib import Path
from db.embedded import EmbeddedPostgres
from ingest.embedded_broker import EmbeddedBroker
folder = Path(sys.argv[1])
pg = EmbeddedPostgres(folder / "pg", fsync=False).start()
broker = EmbeddedBroker(folder / "broker").start()
print(pg.pid, broker.pid, flush=True)
time.sleep(600)
"""


def test_servers_end_with_the_process_that_started_them_even_when_it_is_killed(server_dir: Path) -> None:
    folder = server_dir / "orphans"
    folder.mkdir()
    starter = subprocess.Popen([sys.executable, "-c", _STARTER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert starter.stdout is not None
    with starter.stdout:
        pids = [int(pid) for pid in starter.stdout.readline().split()]
    processes = [psutil.Process(pid) for pid in pids]
    processes += [child for process in processes for child in process.children(recursive=True)]
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes))


def test_two_brokers_side_by_side_have_ports_of_their_own(server_dir: Path) -> None:
    with EmbeddedBroker(server_dir / "left") as left, EmbeddedBroker(server_dir / "right") as right:
        assert left.port != right.port
        assert left.pid != right.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run under another account")
def test_a_private_folder_is_refused_with_a_word_on_what_to_choose(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match="choose a data directory"):
        EmbeddedPostgres(private / "pg").start()
    with pytest.raises(EmbeddedBrokerError, match="choose a data directory"):
        EmbeddedBroker(private / "broker").start()


def test_without_apt_the_missing_broker_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedBrokerError, match="install mosquitto"):
        mosquitto_from_packages(tmp_path / "packages")
