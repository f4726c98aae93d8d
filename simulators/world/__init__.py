"""The sample world around Shanghai: a pure function of its seed."""

from simulators.world.build import build_world
from simulators.world.model import World

__all__ = ["World", "build_world"]
