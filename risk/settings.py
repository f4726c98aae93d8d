"""Settings of one risk process, from the environment (prefix CHUANTOU_)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from collateral.errors import MisconfiguredService


class RiskSettings(BaseSettings):
    """`python -m risk`."""

    model_config = SettingsConfigDict(env_prefix="CHUANTOU_", frozen=True, extra="ignore")

    database_url: str = Field(description="The store; or CHUANTOU_DATABASE_URL_FILE names a file that holds it.")
    clock: str = Field("", description="Empty = the machine's; START@EPOCHxSPEED or file:PATH for a scaled one.")
    risk_cross_check_s: int = Field(300, ge=1, le=86_400, description="Clock time between cross-checks, seconds.")
    risk_cross_check_gap_ms: int = Field(1_000, ge=0, le=3_600_000, description="Least real time between cross-checks, for scaled clocks.")
    risk_expiry_s: int = Field(300, ge=1, le=86_400, description="Clock time between looks for overdue margin calls and releases, seconds.")
    risk_inventory_round_s: int = Field(
        3_600, ge=1, le=604_800, description="How far apart readers' inventory rounds are planned, seconds."
    )
    risk_ingest_delay_s: float = Field(
        15.0, ge=0, le=3_600, description="Real seconds that a reading may be under way in our own pipes before silence or absence counts."
    )
    risk_fast_batch_max: int = Field(500, ge=1, le=10_000, description="Movements judged at once by the fast lane.")
    risk_poll_ms: int = Field(1_000, ge=10, le=60_000, description="The fast lane looks this often even when nothing wakes it.")
    risk_pool_size_max: int = Field(6, ge=3, le=100, description="Connections to the store.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        path = os.environ.get("CHUANTOU_DATABASE_URL_FILE")
        if path and not values.get("database_url"):
            values["database_url"] = Path(path).read_text(encoding="utf-8").strip()
        return values


def load_settings(**overrides: Any) -> RiskSettings:
    """From the environment. Raises MisconfiguredService that names every fault without the values."""
    try:
        return RiskSettings(**overrides)
    except ValidationError as exc:
        faults = "; ".join(f"CHUANTOU_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in exc.errors())
        raise MisconfiguredService(f"settings: {faults}") from None
    except OSError as exc:
        raise MisconfiguredService(f"settings: {exc}") from None
