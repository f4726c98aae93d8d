"""Independent streams of chance: one per purpose, so that a change in one part of the world leaves the others as they were."""

from __future__ import annotations

from random import Random


def stream(seed: int, purpose: str) -> Random:
    """The stream of this seed and purpose; equal arguments give equal streams in every process."""
    return Random(f"{seed}/{purpose}")  # noqa: S311 - a sample world, not a secret
