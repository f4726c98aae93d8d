"""Settings of the API process, read once in __main__."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

JWT_SECRET_BYTES_MIN = 32
_FROM_FILES = ("database_url", "mqtt_url", "jwt_secret", "release_secret")


class ApiSettings(BaseSettings):
    """Environment, prefix CHUANTOU_. A name ending in _FILE gives a file whose first line is the value."""

    model_config = SettingsConfigDict(env_prefix="CHUANTOU_", frozen=True, extra="ignore")

    database_url: SecretStr = Field(description="PostgreSQL URL of the store")
    database_url_file: Path | None = Field(default=None, description="File that holds the store's URL")
    mqtt_url: SecretStr | None = Field(default=None, description="Broker, mqtt:// or mqtts://; /readyz tries to connect to it")
    mqtt_url_file: Path | None = Field(default=None, description="File that holds the broker's URL")
    jwt_secret: SecretStr = Field(description="Key that signs access tokens, at least 32 bytes")
    jwt_secret_file: Path | None = Field(default=None, description="File that holds the signing key")
    release_secret: SecretStr | None = Field(default=None, description="Key that signs release orders; empty = derived from the token key")
    release_secret_file: Path | None = Field(default=None, description="File that holds the release key")
    clock: str = Field(default="", description="Empty = system time; else a scaled clock shared by all processes")
    api_host: str = Field(default="127.0.0.1", description="Address to listen on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 = a free one")
    api_token_ttl_s: int = Field(default=28_800, ge=60, le=86_400, description="Life of an access token in real seconds")
    api_pool_size_max: int = Field(default=16, ge=2, le=200, description="Connections to the store")
    api_store_wait_s: float = Field(default=5.0, gt=0, le=60, description="How long a request waits for a connection before it answers 503")
    api_body_bytes_max: int = Field(default=8_388_608, ge=1024, le=268_435_456, description="Largest request body")
    api_public_https: bool = Field(default=False, description="Served through HTTPS: sends Strict-Transport-Security")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged")

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in _FROM_FILES:
            path = values.get(f"{name}_file")
            if path and not values.get(name):
                values[name] = Path(path).read_text(encoding="utf-8").strip().splitlines()[0]
        return values

    @model_validator(mode="after")
    def _check_secret(self) -> ApiSettings:
        if len(self.jwt_secret.get_secret_value().encode()) < JWT_SECRET_BYTES_MIN:
            raise ValueError(f"CHUANTOU_JWT_SECRET needs at least {JWT_SECRET_BYTES_MIN} bytes")
        return self
