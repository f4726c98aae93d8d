"""Named queries from the `queries.sql` beside a store module.

A file holds blocks that start with `-- name: the_name`; the comment lines after it say what the query is for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)


def load_queries(store_file: str, name: str = "queries.sql") -> dict[str, LiteralString]:
    """Queries by name. store_file: the caller's `__file__`.

    The result is typed LiteralString because the text comes from the package and never from a user.
    Raises ValueError when a name occurs twice.
    """
    text = Path(store_file).with_name(name).read_text(encoding="utf-8")
    parts = _NAME.split(text)
    queries: dict[str, LiteralString] = {}
    for query_name, body in zip(parts[1::2], parts[2::2], strict=True):
        if query_name in queries:
            raise ValueError(f"{name} beside {store_file} names {query_name} twice")
        queries[query_name] = cast(LiteralString, body.strip())
    return queries
