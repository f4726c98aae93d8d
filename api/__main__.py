"""`python -m api`: the HTTP process, built from its settings."""

from __future__ import annotations

import logging
import socket
import sys
from types import FrameType
from urllib.parse import urlsplit

import uvicorn
from pydantic import ValidationError

from api.app import create_app
from api.deps import Parts
from api.settings import ApiSettings
from api.stream import AlertHub
from api.tokens import Tokens
from collateral.clock import clock_from_spec
from collateral.errors import MisconfiguredService
from collateral.logs import log_to_stderr
from collateral.signing import ReleaseSigner
from db.pool import Pool, open_pool

log = logging.getLogger("api")

GRACE_S = 5


class Server(uvicorn.Server):
    """Ends the event streams as soon as it is told to stop; they would keep it waiting."""

    hub: AlertHub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT; a second one does not wait for open requests. The process then ends with code 0."""
        self.hub.end_streams()
        self.force_exit = self.should_exit
        self.should_exit = True


def broker_address(url: str) -> tuple[str, int]:
    """Host and port of mqtt://... or mqtts://... . Raises MisconfiguredService."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise MisconfiguredService("CHUANTOU_MQTT_URL must look like mqtt://user:password@host:1883")
    return parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883)


def build_parts(settings: ApiSettings, pool: Pool) -> Parts:
    """The application's parts. Raises MisconfiguredService."""
    try:
        clock = clock_from_spec(settings.clock)
        secret = settings.jwt_secret.get_secret_value()
        signer = ReleaseSigner.from_secret(settings.release_secret.get_secret_value() if settings.release_secret else secret)
    except ValueError as exc:
        raise MisconfiguredService(str(exc)) from exc
    return Parts(
        pool=pool,
        clock=clock,
        tokens=Tokens(secret, settings.api_token_ttl_s),
        hub=AlertHub(settings.database_url.get_secret_value()),
        signer=signer,
        broker=broker_address(settings.mqtt_url.get_secret_value()) if settings.mqtt_url else None,
    )


def listen(settings: ApiSettings) -> socket.socket:
    """A bound socket. Raises MisconfiguredService when the address is taken or wrong."""
    try:
        return socket.create_server((settings.api_host, settings.api_port), backlog=1024)
    except OSError as exc:
        raise MisconfiguredService(f"cannot listen on {settings.api_host}:{settings.api_port}: {exc}") from exc


def main() -> int:
    """Serve until SIGTERM or SIGINT. Exit code 2 = misconfigured."""
    log_to_stderr(logging.INFO)
    try:
        settings = ApiSettings()  # type: ignore[call-arg]  # from the environment
    except (ValidationError, OSError) as exc:
        log.error("misconfigured: %s", _without_values(exc), extra={"event": "misconfigured"})
        return 2
    log_to_stderr(settings.log_level)
    pool = open_pool(
        settings.database_url.get_secret_value(), name="api", size_max=settings.api_pool_size_max, connect_wait_s=settings.api_store_wait_s
    )
    try:
        parts = build_parts(settings, pool)
        sock = listen(settings)
        app = create_app(parts, body_bytes_max=settings.api_body_bytes_max, https=settings.api_public_https)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_S, timeout_keep_alive=30
        )
        server = Server(config)
        server.hub = parts.hub
        host, port = sock.getsockname()[:2]
        log.info("listening", extra={"event": "listening", "host": host, "port": port, "url": f"http://{host}:{port}/"})
        server.run(sockets=[sock])
    except MisconfiguredService as exc:
        log.error("misconfigured: %s", exc, extra={"event": "misconfigured"})
        return 2
    finally:
        pool.close()
    log.info("stopped", extra={"event": "stopped"})
    return 0


def _without_values(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        return "; ".join(f"CHUANTOU_{'.'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in exc.errors())
    return str(exc)


if __name__ == "__main__":
    sys.exit(main())
