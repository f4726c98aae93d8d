"""The application: parts in, ASGI application out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from api import errors
from api.deps import Parts
from api.metrics import Metrics
from api.middleware import BodyLimit, Headers, Observed
from api.problems import Problem
from api.routes import (
    alerts,
    auth,
    credit,
    dead_letters,
    devices,
    epcis,
    goods,
    health,
    intake,
    judgement,
    lending,
    master,
    observing,
    pricing,
    receipts,
    stream,
    users,
    watch,
)

VERSION = "1"
DESK = Path(__file__).with_name("desk")
_DESCRIPTION = """Monitoring of goods that secure loans.

Every error is `application/problem+json` with a stable `code`. Lists are paged by `cursor`. Writes take an `Idempotency-Key`: the same
request under the same key is done once and answered alike; secrets in an answer are shown the first time only. Money and quantities are
decimal strings; times are RFC 3339 in UTC, and times without an offset are refused. Field names are the columns of the schema."""
_TAGS = ("auth", "master data", "devices", "goods", "lending", "alerts", "judgement", "epcis", "stream", "operations", "health")


def create_app(parts: Parts, *, body_bytes_max: int = 8_388_608, https: bool = False) -> FastAPI:
    """The application over these parts. Starts the event hub with the server and stops it after it; the pool is the caller's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts.hub.start(asyncio.get_running_loop())
        try:
            yield
        finally:
            parts.hub.end_streams()
            await asyncio.to_thread(parts.hub.stop)

    app = FastAPI(
        title="Chuantou",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_tags=[{"name": name} for name in _TAGS],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
    )
    metrics = Metrics(parts.pool, parts.hub)
    app.state.parts = parts
    app.state.metrics = metrics
    for module in (
        auth,
        users,
        master,
        observing,
        devices,
        dead_letters,
        intake,
        goods,
        receipts,
        lending,
        credit,
        pricing,
        alerts,
        judgement,
        stream,
        watch,
    ):
        app.include_router(module.routes, prefix="/api/v1")
    app.state.body_bytes_max = body_bytes_max
    app.include_router(epcis.routes, prefix=epcis.PREFIX)
    app.include_router(health.routes)
    _serve_desk(app)
    errors.install(app)
    app.add_middleware(BodyLimit, bytes_max=body_bytes_max)
    app.add_middleware(Headers, https=https)
    app.add_middleware(Observed, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _serve_desk(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def desk() -> FileResponse:
        return FileResponse(DESK / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/desk", StaticFiles(directory=DESK), name="desk")


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            license_info=app.license_info,
        )
        schema["components"]["schemas"]["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for path, item in schema["paths"].items():
            if path.startswith(epcis.PREFIX):
                for operation in item.values():
                    operation["responses"].pop("422", None)  # EPCIS says 400
        app.openapi_schema = schema
    return app.openapi_schema
