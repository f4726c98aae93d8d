"""Queries with optional lines, so that one named query serves all filters and still uses the indexes.

A line `/*? status */ AND status = %(status)s` stays when the parameter `status` is given (not None), else it goes.
The text comes from the package alone; values are always bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, LiteralString

_OPTIONAL = re.compile(r"^\s*/\*\? (?P<name>[a-z0-9_]+) \*/(?P<rest>.*)$")


def with_filters(query: LiteralString, params: Mapping[str, Any]) -> LiteralString:
    """The query with the optional lines that these parameters ask for."""
    kept: list[LiteralString] = []
    for line in query.splitlines():
        match = _OPTIONAL.match(line)
        if match is None:
            kept.append(line)
        elif params.get(match["name"]) is not None:
            kept.append(match["rest"])
    return "\n".join(kept)
