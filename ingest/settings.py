"""Settings of one ingest worker, from the environment (prefix CHUANTOU_)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from collateral.errors import MisconfiguredService


class IngestSettings(BaseSettings):
    """`python -m ingest`."""

    model_config = SettingsConfigDict(env_prefix="CHUANTOU_", frozen=True, extra="ignore")

    database_url: str = Field(description="The store; or CHUANTOU_DATABASE_URL_FILE names a file that holds it.")
    mqtt_url: str = Field(description="mqtt://user:password@host:port or mqtts://...; or CHUANTOU_MQTT_URL_FILE.")
    mqtt_ca_file: str | None = Field(None, description="Certificate authority of the broker, for mqtts.")
    clock: str = Field("", description="Empty = the machine's; START@EPOCHxSPEED or file:PATH for a scaled one.")
    ingest_client_id: str = Field("chuantou-ingest-1", min_length=1, max_length=128, description="Fixed MQTT client id of this worker.")
    ingest_share: str = Field("ingest", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of the shared subscription of all workers.")
    ingest_session_expiry_s: int = Field(604_800, ge=60, le=2**31, description="How long the broker keeps our session, seconds.")
    ingest_receive_max: int = Field(4_000, ge=1, le=65_535, description="Unacknowledged messages in flight.")
    ingest_inbox_messages_max: int = Field(8_000, ge=1, le=1_000_000, description="Messages waiting for the writer.")
    ingest_batch_messages_max: int = Field(1_000, ge=1, le=100_000, description="Messages in one transaction.")
    ingest_flush_interval_ms: int = Field(50, ge=1, le=60_000, description="A batch closes this long after its first message.")
    ingest_idle_ms: int = Field(5, ge=0, le=60_000, description="A batch closes when nothing came for this long.")
    ingest_payload_bytes_max: int = Field(1_048_576, ge=1_024, le=268_435_456, description="Larger messages are refused.")
    ingest_payload_kept_bytes_max: int = Field(65_536, ge=0, le=268_435_456, description="So much of a refused message is kept.")
    ingest_items_max: int = Field(5_000, ge=1, le=1_000_000, description="Readings in one message.")
    ingest_depth_max: int = Field(24, ge=4, le=200, description="Nesting of one message.")
    ingest_smoothing_s: float = Field(
        300.0, ge=0, le=86_400, description="A re-read within this event time adds no row; 0 = every read does."
    )
    ingest_late_after_s: float = Field(600.0, gt=0, description="Readings older than this at receipt are flagged late.")
    ingest_telemetry_days: int = Field(
        0, ge=0, le=36_500,
        description="Readings and positions older than this go, unless an open pledge, alert or legal hold needs them; 0 = kept for ever.",
    )  # fmt: skip
    ingest_dead_letter_days: int = Field(0, ge=0, le=36_500, description="Refused messages older than this go; 0 = kept for ever.")
    ingest_reorder_s: float = Field(
        2.0, ge=0, le=600, description="A Sparkplug message may be missing this long before its node is asked for a rebirth."
    )
    ingest_rebirth_interval_s: float = Field(
        60.0, ge=1, le=86_400, description="A Sparkplug node is asked for a rebirth at most this often."
    )
    ingest_metrics_port: int = Field(0, ge=0, le=65_535, description="Prometheus port; 0 = off.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("database_url", "mqtt_url"):
            path = os.environ.get(f"CHUANTOU_{name.upper()}_FILE")
            if path and not values.get(name):
                values[name] = Path(path).read_text(encoding="utf-8").strip()
        return values


def load_settings(**overrides: Any) -> IngestSettings:
    """From the environment. Raises MisconfiguredService that names every fault without the values."""
    try:
        return IngestSettings(**overrides)
    except ValidationError as exc:
        faults = "; ".join(f"CHUANTOU_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in exc.errors())
        raise MisconfiguredService(f"settings: {faults}") from None
    except OSError as exc:
        raise MisconfiguredService(f"settings: {exc}") from None
