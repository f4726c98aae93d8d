"""`chuantou broker-files`: the shell around ingest.broker for a broker that runs elsewhere and watches its files itself."""

from __future__ import annotations

import logging
import signal

import psycopg
from pydantic import ValidationError

from collateral.logs import log_to_stderr
from ingest.broker import BrokerFilesWatcher, ingest_account, monitor_account, ready_account
from ingest.broker_settings import BrokerFilesSettings

log = logging.getLogger(__name__)


def main(*, watch: bool) -> int:
    """Write once, or stay and follow the registry until SIGTERM. Exit code 2 = misconfigured, 1 = the store cannot be reached."""
    log_to_stderr("INFO")
    try:
        settings = BrokerFilesSettings()  # type: ignore[call-arg]  # from the environment
    except (ValidationError, OSError) as exc:
        faults = (
            [f"CHUANTOU_{str(e['loc'][0] if e['loc'] else '').upper()}: {e['msg']}" for e in exc.errors()]
            if isinstance(exc, ValidationError)
            else [str(exc)]
        )
        log.error("misconfigured: %s", "; ".join(faults), extra={"event": "misconfigured"})
        return 2
    services = [ingest_account(settings.broker_ingest_password.get_secret_value()), ready_account(None)]
    if settings.broker_monitor_password is not None:
        services.append(monitor_account(settings.broker_monitor_password.get_secret_value()))
    url = settings.database_url.get_secret_value()
    watcher = BrokerFilesWatcher(url, settings.broker_files_dir, tuple(services), lambda: None)
    if not watch:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=10) as conn:
                watcher.write_once(conn)
        except psycopg.Error as exc:
            log.error("the store refused: %s", exc, extra={"event": "store_unavailable"})
            return 1
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watcher.stopping.set())
    watcher.run()
    return 0
