"""What a loaded world has to remember: the seed it was made from and the credentials that were shown once."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from simulators.world import World, build_world


@dataclass(frozen=True)
class WorldState:
    """Kept in a file that only its owner can read. passwords: of devices by device id; users: of people by user name."""

    seed: int
    size: str
    tenant: str
    passwords: dict[str, str]
    users: dict[str, str]

    def world(self) -> World:
        """The world that was loaded."""
        return build_world(self.seed, Decimal(self.size))

    def save(self, path: Path) -> None:
        """Write in one step, readable by the owner only."""
        part = path.with_name(f".{path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, ensure_ascii=False, indent=1)
        os.replace(part, path)

    @classmethod
    def read(cls, path: Path) -> WorldState:
        """The state in a file. Raises OSError, or ValueError when the file holds something else."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except TypeError as exc:
            raise ValueError(f"{path} holds no world state: {exc}") from exc
