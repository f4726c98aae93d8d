"""Settings of `chuantou broker-files`, which keeps the broker's account files like the device registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_FROM_FILES = ("database_url", "broker_ingest_password", "broker_monitor_password")


class BrokerFilesSettings(BaseSettings):
    """Environment, prefix CHUANTOU_. A name ending in _FILE gives a file whose first line is the value."""

    model_config = SettingsConfigDict(env_prefix="CHUANTOU_", frozen=True, extra="ignore")

    database_url: SecretStr = Field(description="PostgreSQL URL of the store")
    database_url_file: Path | None = Field(default=None, description="File that holds the store's URL")
    broker_files_dir: Path = Field(default=Path("/accounts"), description="Folder for the broker's password and ACL files")
    broker_ingest_password: SecretStr = Field(description="Password of the broker account `ingest`, which reads what devices say")
    broker_ingest_password_file: Path | None = Field(default=None, description="File that holds the password of `ingest`")
    broker_monitor_password: SecretStr | None = Field(
        default=None, description="Password of the broker account `monitor`, which reads the broker's own figures; empty = no such account"
    )
    broker_monitor_password_file: Path | None = Field(default=None, description="File that holds the password of `monitor`")

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in _FROM_FILES:
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                values[name] = Path(path).read_text(encoding="utf-8").strip().splitlines()[0]
        return values
