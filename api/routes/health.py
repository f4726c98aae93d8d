"""/healthz, /readyz and /metrics, at the root."""

from __future__ import annotations

import socket
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.deps import Parts, PartsDep
from api.models.watch import Check, Health, Readiness
from api.problems import documented
from api.routes.common import router
from db.migrate import pending

routes = router("health")
STORE_WAIT_S = 2.0
BROKER_WAIT_S = 2.0


@routes.get("/healthz", response_model=Health, responses=documented(500))
def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


def _store(parts: Parts) -> list[Check]:
    try:
        with parts.pool.connection(timeout=STORE_WAIT_S) as conn:
            missing = pending(conn)
    except (psycopg.Error, PoolTimeout):
        return [Check(name="store", ok=False, detail="does not answer")]
    words = f"missing: {', '.join(missing)}" if missing else "current"
    return [Check(name="store", ok=True, detail="answers"), Check(name="migrations", ok=not missing, detail=words)]


def _broker(parts: Parts) -> list[Check]:
    if parts.broker is None:
        return []
    try:
        with socket.create_connection(parts.broker, timeout=BROKER_WAIT_S):
            return [Check(name="broker", ok=True, detail="answers")]
    except OSError:
        return [Check(name="broker", ok=False, detail="does not answer")]


@routes.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Something that the process needs is missing"}, **documented(500)},
)
def readyz(parts: PartsDep) -> Any:
    """The store answers, its schema is current, and the broker takes connections."""
    checks = [*_store(parts), *_broker(parts)]
    ready = all(c.ok for c in checks)
    answer = Readiness(status="ready" if ready else "not_ready", checks=checks)
    return JSONResponse(answer.model_dump(mode="json"), status_code=200 if ready else 503)


@routes.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(500),
    },
)
def metrics(request: Request) -> Response:
    """Requests, open alerts by severity, ingest counters, backlog."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
