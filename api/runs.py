"""What a tenant sees of the runs of jobs: they work for all tenants, and a row of theirs may name other people's facilities."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

Row = dict[str, Any]

_WORDS = frozenset({"cause", "stream_reached_at"})  # texts in a run's inputs that name nothing of anybody's


def ids_in(run: Row) -> set[str]:
    """Every text in a run's inputs and errors that may be the id of somebody's facility or release order."""
    errors = [e.get("facility") for e in run["errors"] if isinstance(e, dict)]
    return set(_texts(run["inputs"])) | {e for e in errors if isinstance(e, str)}


def _texts(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)
    elif isinstance(value, str) and name not in _WORDS:
        yield value


def scoped(run: Row, own: Set[str]) -> Row:
    """The run without what belongs to others: their ids are counted (`others`), their errors left out, and of an error of the whole
    platform only its kind is told, because its text may quote anybody's data; the log has it in full."""
    return {**run, "inputs": _kept(run["inputs"], own), "errors": _own_errors(run["errors"], own)}


def _kept(value: Any, own: Set[str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _kept(inner, own, key) for key, inner in value.items()}
    if isinstance(value, list):
        kept = [v if not isinstance(v, dict | list) else _kept(v, own, name) for v in value if not isinstance(v, str) or v in own]
        return kept if len(kept) == len(value) else [*kept, {"others": len(value) - len(kept)}]
    if isinstance(value, str) and name not in _WORDS and value not in own:
        return None
    return value


def _own_errors(errors: list[Any], own: Set[str]) -> list[Any]:
    shown: list[Any] = []
    others = 0
    for error in errors:
        if not isinstance(error, dict):
            others += 1
        elif "facility" in error:
            if error["facility"] in own:
                shown.append(error)
            else:
                others += 1
        else:
            shown.append({**error, "error": str(error.get("error", "")).partition(":")[0]})
    return [*shown, {"others": others}] if others else shown
