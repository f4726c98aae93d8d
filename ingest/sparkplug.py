"""The session of a Sparkplug B edge node: births, deaths, sequence, aliases. Pure; ingest.sparkplug_store keeps it.

Workers share a subscription, so a node's messages reach the store in any order. What is ahead of its turn waits; what stays missing for the reorder
time makes the host ask for a rebirth, as chapter 5 of the specification says of host applications. An alias means what the birth of its own session
said, never what another one did.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ingest.formats.sparkplug_b import SEQ_MODULO, plain_value
from ingest.readings import Metric, NodeMessage
from ingest.topics import SparkplugVerb

BEHIND_MAX = 64  # so far behind the expected number a message is a late one; further off it is ahead
WAITING_MAX = 500
WAITING_MAX_AGE = timedelta(minutes=10)

Births = dict[str, dict[str, Any]]
"""What each part ('' = the node itself) said at its birth: {"aliases": {alias: name}, "types": {name: datatype}}."""


@dataclass(frozen=True)
class Session:
    """What is known of a node. Times of the node in milliseconds since 1970. before: the births of the same connection before a rebirth."""

    bd_seq: int | None = None
    birth_at_ms: int | None = None
    alive: bool = False
    next_seq: int = 0
    last_at_ms: int = 0
    births: Births = field(default_factory=dict)
    before_at_ms: int | None = None
    before: Births = field(default_factory=dict)
    needs_birth: bool = False
    rebirth_due_at: datetime | None = None


@dataclass(frozen=True)
class Named:
    """A metric with its name and plain value; at_ms None = the message's time."""

    name: str
    value: Any
    at_ms: int | None


@dataclass(eq=False)
class Arrival:
    """A message and when it came. origin is the caller's."""

    message: NodeMessage
    received_at: datetime
    origin: Any = None


@dataclass(frozen=True)
class Told:
    """A message that can be understood now. metrics in its order; unknown: aliases without a name; is_current False = says nothing of the present."""

    arrival: Arrival
    metrics: tuple[Named, ...]
    unknown: tuple[int, ...] = ()
    is_current: bool = True


@dataclass
class Advanced:
    """What the messages of one batch, with those that waited, come to."""

    session: Session
    told: list[Told] = field(default_factory=list)
    refused: list[tuple[Arrival, str]] = field(default_factory=list)
    waiting: list[Arrival] = field(default_factory=list)
    missed: int = 0  # messages of the session that never came, known when a rebirth ends the wait


def advance(session: Session, arrivals: list[Arrival], *, now: datetime, reorder: timedelta) -> Advanced:
    """Take what is in turn, in the order of the node's own times; keep what is ahead; say when to ask for a rebirth."""
    done = Advanced(session)
    pending = sorted(arrivals, key=lambda a: _turn(session, a.message))
    while (i := next((i for i, a in enumerate(pending) if _in_turn(done.session, a.message)), None)) is not None:
        _take(done, pending.pop(i), pending)
    too_old = now - WAITING_MAX_AGE
    for n, arrival in enumerate(pending):
        if arrival.received_at < too_old or n < len(pending) - WAITING_MAX:
            _tell(done, arrival, {}, current=False)
        else:
            done.waiting.append(arrival)
    s = done.session
    if done.waiting or s.needs_birth:
        due = s.rebirth_due_at or (now if s.needs_birth else min(a.received_at for a in done.waiting) + reorder)
        done.session = replace(s, rebirth_due_at=due)
    else:
        done.session = replace(s, rebirth_due_at=None)
    return done


def _turn(session: Session, message: NodeMessage) -> tuple[bool, int, bool, int]:
    """Deaths last: a will was written when the node connected, and its data came before it was sent. A birth before what shares its millisecond."""
    return (
        message.verb is SparkplugVerb.NDEATH,
        message.at_ms,
        message.verb is not SparkplugVerb.NBIRTH,
        _distance(session, message),
    )


def _distance(session: Session, message: NodeMessage) -> int:
    return 0 if message.seq is None else (message.seq - session.next_seq) % SEQ_MODULO


def _in_turn(session: Session, message: NodeMessage) -> bool:
    if message.verb in (SparkplugVerb.NBIRTH, SparkplugVerb.NDEATH):
        return True
    if session.birth_at_ms is None:
        return False
    if message.at_ms < session.birth_at_ms:
        return True
    distance = _distance(session, message)
    behind = distance >= SEQ_MODULO - BEHIND_MAX
    if not session.alive:
        return message.at_ms < session.last_at_ms + behind  # said before the death, and here again
    return distance == 0 or behind or message.at_ms < session.last_at_ms


def _take(done: Advanced, arrival: Arrival, pending: list[Arrival]) -> None:
    message, s = arrival.message, done.session
    match message.verb:
        case SparkplugVerb.NBIRTH:
            _born(done, arrival, pending)
            return
        case SparkplugVerb.NDEATH:
            current = s.alive and message.bd_seq == s.bd_seq
            if current:
                done.session = replace(s, alive=False)
            _tell(done, arrival, {}, current=current)
            return
    assert s.birth_at_ms is not None
    if message.at_ms < s.birth_at_ms:
        of_before = s.before_at_ms is not None and message.at_ms >= s.before_at_ms
        births = s.before if of_before else {}
        # In turn and yet before the birth: the node's clock was set back. Only a new birth can end that.
        _tell(done, arrival, births.get(message.part, {}), current=s.alive and not of_before and _distance(s, message) == 0)
        return
    in_turn = s.alive and _distance(s, message) == 0 and message.at_ms >= s.last_at_ms
    births = dict(s.births)
    if message.verb is SparkplugVerb.DBIRTH and (in_turn or message.part not in births):
        births[message.part] = _said_at_birth(message)
    names = births.get(message.part, {})
    if message.verb is SparkplugVerb.DDEATH and in_turn:
        births.pop(message.part, None)
    if in_turn:
        assert message.seq is not None
        s = replace(s, next_seq=(message.seq + 1) % SEQ_MODULO, last_at_ms=max(s.last_at_ms, message.at_ms))
    unborn = message.verb in (SparkplugVerb.DDATA, SparkplugVerb.NDATA) and message.part not in births
    done.session = replace(s, births=births, needs_birth=s.needs_birth or unborn)
    _tell(done, arrival, names, current=in_turn)


def _born(done: Advanced, arrival: Arrival, pending: list[Arrival]) -> None:
    """A birth newer than the known one begins a session. When it is of the same connection, or of the next, nothing came between them: what waited
    is understood by the births before."""
    message, s = arrival.message, done.session
    names = _said_at_birth(message)
    next_connection = s.bd_seq is not None and message.bd_seq == (s.bd_seq + 1) % SEQ_MODULO
    if s.birth_at_ms is not None and message.at_ms <= s.birth_at_ms:
        set_back = message.at_ms < s.birth_at_ms and (next_connection or (s.needs_birth and message.bd_seq == s.bd_seq))
        if not set_back:
            _tell(done, arrival, names, current=False)
            return
    follows = next_connection or (s.bd_seq is not None and message.bd_seq == s.bd_seq)
    if follows and s.birth_at_ms is not None:
        ahead = {_distance(s, a.message) for a in pending if s.birth_at_ms <= a.message.at_ms < message.at_ms}
        done.missed += max(ahead) + 1 - len(ahead) if ahead else 0
    done.session = Session(
        message.bd_seq,
        message.at_ms,
        alive=True,
        next_seq=((message.seq or 0) + 1) % SEQ_MODULO,
        last_at_ms=message.at_ms,
        births={"": names},
        before_at_ms=s.birth_at_ms if follows else None,
        before=s.births if follows else {},
    )
    _tell(done, arrival, names, current=True)


def _said_at_birth(message: NodeMessage) -> dict[str, Any]:
    return {
        "aliases": {str(m.alias): m.name for m in message.metrics if m.alias is not None},
        "types": {m.name: m.datatype for m in message.metrics if m.datatype is not None},
    }


def _tell(done: Advanced, arrival: Arrival, names: dict[str, Any], *, current: bool) -> None:
    named: list[Named] = []
    unknown: list[int] = []
    for m in arrival.message.metrics:
        name = m.name if m.name is not None else names.get("aliases", {}).get(str(m.alias))
        if name is None:
            unknown.append(-1 if m.alias is None else m.alias)
        else:
            named.append(_named(m, name, names))
    if unknown and current:
        done.session = replace(done.session, needs_birth=True)
    if unknown and not named:
        done.refused.append((arrival, f"no birth says what alias {unknown[0]} of {arrival.message.part or 'the node'} is"))
    else:
        done.told.append(Told(arrival, tuple(named), tuple(unknown), current))


def _named(metric: Metric, name: str, names: dict[str, Any]) -> Named:
    datatype = metric.datatype if metric.datatype is not None else names.get("types", {}).get(name)
    return Named(name, plain_value(metric, datatype), metric.at_ms)
