"""The suite's TimescaleDB: db.timescale with what the environment says.

CHUANTOU_TEST_TIMESCALE_URL names a role that may create databases; CHUANTOU_TEST_CACHE a folder that is kept; CHUANTOU_TEST_TIMESCALE_IMAGE a
container image.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from db import timescale
from db.embedded import EmbeddedPostgres
from db.timescale import GivenServer, NoTimescale

GIVEN_URL = os.environ.get("CHUANTOU_TEST_TIMESCALE_URL")
CACHE = Path(os.environ.get("CHUANTOU_TEST_CACHE", timescale.CACHE))
IMAGE = os.environ.get("CHUANTOU_TEST_TIMESCALE_IMAGE", timescale.IMAGE)


def timescale_server(folder: Path) -> AbstractContextManager[EmbeddedPostgres | GivenServer]:
    """A running TimescaleDB. folder: for data, reachable by the servers' account. Raises NoTimescale."""
    return timescale.timescale_server(folder, given_url=GIVEN_URL, cache=CACHE, image=IMAGE)


__all__ = ["GivenServer", "NoTimescale", "timescale_server"]

if __name__ == "__main__":
    print(f"TimescaleDB for tests: {timescale.prepare(given_url=GIVEN_URL, cache=CACHE)}", flush=True)
