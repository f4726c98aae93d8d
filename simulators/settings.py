"""Settings of the simulators, read once in __main__."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SimulatorSettings(BaseSettings):
    """Environment, prefix CHUANTOU_. Every one can also be given on the command line."""

    model_config = SettingsConfigDict(env_prefix="CHUANTOU_", frozen=True, extra="ignore")

    sim_seed: int = Field(default=1, ge=0, description="Seed of the sample world; equal seeds give equal worlds and incidents")
    sim_size: str = Field(default="1", pattern=r"^\d+(\.\d+)?$", description="Size of the sample world's stock; 1 = about 2 200 units")
    sim_api_url: str = Field(default="http://127.0.0.1:8000", description="Where the API answers")
    sim_mqtt_url: str = Field(default="mqtt://127.0.0.1:1883", description="Broker without credentials; every device signs in with its own")
    sim_mqtt_ca_file: Path | None = Field(default=None, description="Certificate authority of a broker behind mqtts://")
    sim_users_file: Path | None = Field(default=None, description="JSON object with the passwords of the users loader, approver, ...")
    sim_state_file: Path = Field(
        default=Path("world.json"), description="What the loaded world has to remember: seed and devices' credentials"
    )
    sim_plan_file: Path | None = Field(default=None, description="Where to write the plan of incidents; unset = it is not written")
    sim_scenario: str = Field(default="all", description="Scenarios to play: all, none, or names separated by commas")
    tenant: str = Field(default="demo", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="Tenant of embedded use")
    clock: str = Field(default="", description="Empty = system time; else a scaled clock shared by all processes")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged")
