"""Settings of the operator's commands: migrate and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """Environment, prefix CHUANTOU_. A name ending in _FILE gives a file whose first line is the value."""

    model_config = SettingsConfigDict(env_prefix="CHUANTOU_", frozen=True, extra="ignore")

    database_url: SecretStr | None = Field(default=None, description="PostgreSQL URL of the store")
    database_url_file: Path | None = Field(default=None, description="File that holds the store's URL")
    mqtt_url: SecretStr | None = Field(default=None, description="Broker, mqtt:// or mqtts://; doctor tries to log in to it")
    mqtt_url_file: Path | None = Field(default=None, description="File that holds the broker's URL")

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("database_url", "mqtt_url"):
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                values[name] = Path(path).read_text(encoding="utf-8").strip().splitlines()[0]
        return values
