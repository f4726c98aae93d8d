"""The broker's part of the deployment, run for real: our configuration, our entry script, TLS, accounts that change while it runs."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collateral.clock import SystemClock
from collateral.credentials import mosquitto_hash
from db.child import free_port
from ingest.broker import BrokerAccount, BrokerFilesWatcher, DeviceOnBroker, device_account, ingest_account, ready_account
from ingest.embedded_broker import EmbeddedBrokerError, obtain_mosquitto
from ingest.subscriber import Subscriber

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 15.0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S:g} s: {what}"
        time.sleep(0.05)


class Broker:
    """The entry script under sh, with the container's paths replaced by folders of the test."""

    def __init__(self, folder: Path) -> None:
        self.accounts, self.secrets, self.port = folder / "accounts", folder / "secrets", free_port()
        (folder / "data").mkdir()
        self.accounts.mkdir()
        subprocess.run(["sh", str(ROOT / "deploy/make-secrets.sh"), str(self.secrets)], check=True, capture_output=True)
        config = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
        for inside, outside in (
            ("/tmp/broker/", f"{folder}/own/"),
            ("/accounts/", f"{self.accounts}/"),
            ("/run/secrets/", f"{self.secrets}/"),
            ("/mosquitto/data/", f"{folder}/data/"),
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
        ):
            assert inside in config
            config = config.replace(inside, outside)
        if os.geteuid() == 0:
            config += "user root\n"  # the container runs as the broker's own user from the start
        (folder / "mosquitto.conf").write_text(config, encoding="utf-8")
        program = obtain_mosquitto(folder / "packages")
        env = {
            **os.environ,
            "ACCOUNTS_DIR": str(self.accounts),
            "MOSQUITTO_CONFIG": str(folder / "mosquitto.conf"),
            "ACCOUNTS_POLL_S": "0.1",
            "OWN_DIR": str(folder / "own"),
            "READY_PORT": str(self.port),
            "READY_CA_FILE": str(self.secrets / "ca_cert"),
            "PATH": f"{program.parent}:{os.environ.get('PATH', '')}",
        }
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(["sh", str(ROOT / "deploy/mosquitto/entry.sh")], env=env, stdout=self.log, stderr=self.log)

    def write(self, *devices: BrokerAccount) -> None:
        """As `chuantou broker-files` does."""
        services = (ingest_account("ingest-secret"), ready_account(None))
        BrokerFilesWatcher("", self.accounts, services, lambda: None)._write_files(devices)

    def worker(self) -> Subscriber:
        """A subscribed ingest worker."""
        url = f"mqtts://ingest:ingest-secret@localhost:{self.port}"
        worker = Subscriber(url, client_id="ingest-1", clock=SystemClock(), ca_file=str(self.secrets / "ca_cert"))
        worker.start()
        return worker

    def accepts(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def answer_to(self, username: str, password: str) -> str:
        """What the broker says to a login: `Success`, or its reason."""
        said: list[str] = []
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.username_pw_set(username, password)
        client.tls_set(ca_certs=str(self.secrets / "ca_cert"))
        client.on_connect = lambda c, u, f, reason, p: said.append(str(reason))
        client.connect("localhost", self.port)
        deadline = time.monotonic() + WAIT_S
        while not said and time.monotonic() < deadline:
            client.loop(0.1)
        client.disconnect()
        client.loop(0.1)
        return said[0] if said else "no answer"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    try:
        one = Broker(tmp_path)
    except EmbeddedBrokerError as exc:
        pytest.skip(str(exc))
    yield one
    one.process.terminate()
    try:
        one.process.wait(WAIT_S)
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.log.close()


def test_broker_waits_for_accounts_takes_changes_over_and_ends_cleanly(broker: Broker) -> None:
    reader = DeviceOnBroker("R-1", "v1/demo/WH-SH-01/rfid/R-1", "native", {}, mosquitto_hash("reader-secret"))
    time.sleep(0.3)
    assert broker.process.poll() is None
    assert not broker.accepts(), "without account files nobody may come in"

    broker.write(device_account(reader))
    until(broker.accepts, "listening")
    assert broker.answer_to("ingest", "ingest-secret") == "Success"
    assert broker.answer_to("R-1", "reader-secret") == "Not authorized", "a worker first"
    worker = broker.worker()
    try:
        until(lambda: broker.answer_to("R-1", "reader-secret") == "Success", "a worker is subscribed, the device comes in")
    finally:
        worker.stop()

    broker.write()
    until(lambda: broker.answer_to("R-1", "reader-secret") == "Not authorized", "the revoked device stays out")
    broker.write(device_account(reader))
    until(lambda: broker.answer_to("R-1", "reader-secret") == "Success", "the worker's session keeps the door open")

    broker.process.terminate()
    assert broker.process.wait(WAIT_S) == 0
    assert not broker.accepts()


def test_broker_speaks_tls_only_and_with_our_authority(broker: Broker) -> None:
    broker.write()
    until(broker.accepts, "listening")
    with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection(("127.0.0.1", broker.port), timeout=5) as raw:
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
    context = ssl.create_default_context(cafile=str(broker.secrets / "ca_cert"))
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="mosquitto") as secure,
    ):
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
