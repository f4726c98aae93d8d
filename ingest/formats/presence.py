"""Presence and last will: `online`/`offline`, JSON, or whatever words a vendor chose."""

from __future__ import annotations

import json

from ingest.readings import DecodeContext, Decoded, Refusal, StateUpdate
from ingest.wire import checked_bytes

WORDS_CHARACTERS_MAX = 200
_OFFLINE = ("offline", "disconnect", "lost", "dead", "down", "lwt", "false", "bye")
_ONLINE = ("online", "connect", "birth", "alive", "up", "true", "hello", "ready", "running")


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """One StateUpdate; the time is ours, a will was written long before it is sent. An empty payload clears a retained one."""
    if not payload:
        return [StateUpdate(None, presence_text="")]
    words = checked_bytes(payload, ctx.limits).decode("utf-8").strip()[:WORDS_CHARACTERS_MAX]
    state = presence_of(words)
    if state is None:
        raise Refusal("unknown_presence", f"{words[:80]!r} says neither online nor offline")
    return [StateUpdate(None, presence=state, presence_text=words)]


def presence_of(words: str) -> str | None:
    """`online`, `offline`, or None when the words say neither."""
    text = words.lower()
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if found.get("_type") == "lwt":
            return "offline"
        text = str(next((found[k] for k in ("online", "state", "status", "presence", "connected") if k in found), "")).lower()
    if any(word in text for word in _OFFLINE):
        return "offline"
    return "online" if any(word in text for word in _ONLINE) else None
