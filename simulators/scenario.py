"""Stories that an officer can read, and the machine plays (simulators/scenarios/*.scenario).

    # A pledged coil is driven out after dark and nobody approved it.
    pick    COIL   goods  commodity=HRC facility=FAC-STEEL-01
    +2h40m  leave  COIL   gate=1            -> open R01 COIL within 30m

A file opens with its story in comments. `pick NAME KIND key=value ...` names a subject that the seed chooses. Every other line is a
step: the time after the start of the world, a verb, its words, and after `->` what an officer must see (`open`, `resolve` or `nothing`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib import resources

WITHIN_DEFAULT = timedelta(minutes=30)
_OFFSET = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?")
_NAME = re.compile(r"[A-Z][A-Z0-9-]*")


class ScenarioError(ValueError):
    """A scenario file that cannot be read; the message names file, line and fault."""


class Verb(StrEnum):
    """What a step does. All of it is done by MQTT messages and HTTP requests."""

    LEAVE = "leave"
    HIDE = "hide"
    SILENCE = "silence"
    WAKE = "wake"
    CLONE = "clone"
    OFFER = "offer"
    DETOUR = "detour"
    INVOICE = "invoice"
    SELL = "sell"
    QUOTE = "quote"
    REQUEST = "request"
    APPROVE = "approve"
    COLLECT = "collect"
    EXPECT = "expect"


class PickKind(StrEnum):
    """What can be picked."""

    GOODS = "goods"
    READER = "reader"
    LORRY = "lorry"


class Outcome(StrEnum):
    """What an officer sees of a subject."""

    OPEN = "open"
    RESOLVE = "resolve"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Pick:
    """A subject that the seed chooses among those that fit."""

    name: str
    kind: PickKind
    where: Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """`open R01 COIL within 30m`; rule is None for `nothing`."""

    outcome: Outcome
    rule: str | None
    subject: str
    within: timedelta


@dataclass(frozen=True)
class Step:
    """Something that happens so long after the world started."""

    after: timedelta
    verb: Verb
    words: tuple[str, ...]
    options: Mapping[str, str]
    claims: tuple[Claim, ...]
    line: int


@dataclass(frozen=True)
class Scenario:
    """One story."""

    name: str
    story: str
    picks: tuple[Pick, ...]
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        """Its first sentence."""
        return self.story.split(". ")[0].rstrip(".")


def span(text: str) -> timedelta:
    """`2d`, `3h10m` or `45m`. Raises ValueError."""
    match = _OFFSET.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is no time such as 3h10m")
    days, hours, minutes = (int(g or 0) for g in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def parse(name: str, text: str) -> Scenario:
    """A scenario from its text. Raises ScenarioError."""
    story: list[str] = []
    picks: dict[str, Pick] = {}
    steps: list[Step] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        try:
            if line.startswith("#"):
                if not picks and not steps:
                    story.append(line.lstrip("# "))
            elif line.startswith("pick "):
                pick = _pick(line)
                if pick.name in picks:
                    raise ValueError(f"{pick.name} is picked twice")
                picks[pick.name] = pick
            elif line.startswith("+"):
                steps.append(_step(line, number))
                if len(steps) > 1 and steps[-1].after < steps[-2].after:
                    raise ValueError("steps must follow one another in time")
            elif line:
                raise ValueError("a line is a comment, `pick ...` or `+time verb ...`")
        except ValueError as exc:
            raise ScenarioError(f"{name}, line {number}: {exc}") from exc
    if not story or not steps:
        raise ScenarioError(f"{name}: a scenario needs a story and at least one step")
    return Scenario(name, " ".join(story), tuple(picks.values()), tuple(steps))


def _options(words: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    plain = tuple(w for w in words if "=" not in w)
    options = dict(w.split("=", 1) for w in words if "=" in w)
    return plain, options


def _pick(line: str) -> Pick:
    words, where = _options(line.split()[1:])
    if len(words) != 2 or _NAME.fullmatch(words[0]) is None:
        raise ValueError("`pick NAME KIND key=value ...` with a name in capitals")
    return Pick(words[0], PickKind(words[1]), where)


def _step(line: str, number: int) -> Step:
    act, _, claimed = line.partition("->")
    offset, *rest = act.split()
    if not rest:
        raise ValueError("a step needs a verb")
    words, options = _options(rest[1:])
    claims = tuple(_claim(part.split()) for part in claimed.split(";") if part.strip())
    return Step(span(offset.removeprefix("+")), Verb(rest[0]), words, options, claims, number)


def _claim(words: list[str]) -> Claim:
    within = WITHIN_DEFAULT
    if len(words) > 2 and words[-2] == "within":
        within = span(words[-1])
        words = words[:-2]
    outcome = Outcome(words[0])
    if outcome is Outcome.NOTHING:
        if len(words) != 2:
            raise ValueError("`-> nothing SUBJECT`")
        return Claim(outcome, None, words[1], within)
    if len(words) != 3:
        raise ValueError(f"`-> {outcome} RULE SUBJECT [within TIME]`")
    return Claim(outcome, words[1], words[2], within)


def shipped() -> tuple[Scenario, ...]:
    """The scenarios that come with the program, by name."""
    folder = resources.files("simulators").joinpath("scenarios")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".scenario")), key=lambda f: f.name)
    return tuple(parse(f.name.removesuffix(".scenario"), f.read_text(encoding="utf-8")) for f in files)


def choose(names: str) -> tuple[Scenario, ...]:
    """The shipped scenarios that `all`, `none` or a comma-separated list names. Raises ScenarioError."""
    known = {s.name: s for s in shipped()}
    if names == "all":
        return tuple(known.values())
    if names in ("", "none"):
        return ()
    unknown = [n for n in names.split(",") if n not in known]
    if unknown:
        raise ScenarioError(f"no scenario {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(known[n] for n in names.split(","))
