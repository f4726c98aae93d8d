"""docs/asyncapi.yaml is a valid AsyncAPI 3 document, names the topics that we subscribe to, and says of native payloads what the decoders do."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from ingest import messages
from ingest.formats import decode
from ingest.readings import DecodeContext, Rejected
from ingest.topics import Channel, DeviceClass, DeviceTopic, parse_topic

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
JSON_CHANNELS = [c.value for c in Channel if c is not Channel.PRESENCE]
NOW = datetime(2026, 3, 2, 0, 20, tzinfo=UTC)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without its outer reference."""
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].removeprefix("#/components/schemas/")]
    return schema


def validator(channel: str) -> Draft7Validator:
    return Draft7Validator({**SCHEMAS[channel], "components": {"schemas": SCHEMAS}})


def refusals(channel: str, payload: Any) -> list[Rejected]:
    raw = payload.encode() if channel == "presence" else json.dumps(payload).encode()
    return [f for f in decode("native", raw, DecodeContext(channel, NOW)) if isinstance(f, Rejected)]


def examples() -> list[tuple[str, Any]]:
    return [(channel, e["payload"]) for channel, message in MESSAGES.items() for e in message["examples"]]


# ---------------------------------------------------------------- the document


def test_the_document_is_valid_asyncapi_3() -> None:
    schema = json.loads((ROOT / "tests/payloads/asyncapi/3.0.0.json").read_text(encoding="utf-8"))
    faults = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in Draft7Validator(schema).iter_errors(DOCUMENT)]
    assert not faults, "\n".join(faults)


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (v for k, v in node.items() if k == "$ref")
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from references(child)

    for reference in set(references(DOCUMENT)):
        node: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]


def test_the_channels_are_those_that_are_ingested() -> None:
    assert set(DOCUMENT["channels"]) == {c.value for c in Channel} == set(MESSAGES)
    values = {k: v.get("enum", v.get("examples"))[0] for k, v in DOCUMENT["components"]["parameters"].items()}
    for name, channel in DOCUMENT["channels"].items():
        topic = parse_topic(channel["address"].format(**values))
        assert isinstance(topic, DeviceTopic)
        assert topic.channel == name
    assert DOCUMENT["components"]["parameters"]["class"]["enum"] == [c.value for c in DeviceClass]
    assert {o["channel"]["$ref"].rsplit("/", 1)[1] for o in DOCUMENT["operations"].values()} == set(DOCUMENT["channels"])


@pytest.mark.parametrize(
    ("schema", "struct"),
    [
        ("reads", messages.ReadsMessage),
        ("read", messages.TagRead),
        ("position", messages.PositionMessage),
        ("health", messages.HealthMessage),
    ],
)
def test_the_document_knows_every_field_that_we_encode(schema: str, struct: type[msgspec.Struct]) -> None:
    assert set(SCHEMAS[schema]["properties"]) == {f.name for f in msgspec.structs.fields(struct)}


# ---------------------------------------------------------------- against the decoders


@pytest.mark.parametrize(("channel", "payload"), examples(), ids=lambda v: v if isinstance(v, str) else "")
def test_every_example_is_valid_and_is_read(channel: str, payload: Any) -> None:
    assert not list(validator(channel).iter_errors(payload))
    assert not refusals(channel, payload)


moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).flatmap(  # noqa: DTZ001 - hypothesis wants naive bounds
    lambda at: st.integers(-14 * 60, 14 * 60).map(lambda m: at.replace(tzinfo=timezone(timedelta(minutes=m))).isoformat())
)
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(characters, max_size=20)
)


def payloads(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, as far as this document uses JSON schema."""
    schema = resolved(schema)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number":
            return st.floats(schema["minimum"], schema["maximum"]) | st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(payloads(schema["items"]), min_size=schema.get("minItems", 0), max_size=4)
        case "object":
            return _objects(schema)
        case "string":
            if schema.get("format") == "date-time":
                return moments
            if "pattern" in schema:
                found = st.from_regex(schema["pattern"].removesuffix("$") + r"\Z")
                return found.filter(Draft7Validator(schema).is_valid)
            return st.text(characters, min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 40), 100))
    return scalars


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    properties = {name: payloads(p) for name, p in schema["properties"].items()}
    required = set(schema.get("required", []))
    known = st.fixed_dictionaries(
        {n: p for n, p in properties.items() if n in required}, optional={n: p for n, p in properties.items() if n not in required}
    )
    own = st.dictionaries(st.text(characters, max_size=12).filter(lambda n: n not in properties), scalars, max_size=3)
    return st.builds(lambda a, b: {**b, **a}, known, own)


@pytest.mark.parametrize("channel", JSON_CHANNELS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_the_document_allows_is_read_without_a_refusal(channel: str, data: st.DataObject) -> None:
    payload = data.draw(payloads(SCHEMAS[channel]).filter(validator(channel).is_valid))
    assert not refusals(channel, payload)


def violations(schema: dict[str, Any], value: Any) -> Iterator[Any]:
    """Values that break the schema where value keeps it, one fault each."""
    schema = resolved(schema)
    kind = schema.get("type")
    wrong_types = {"string": 5, "integer": "5", "number": "5", "boolean": "true", "array": {"0": 1}, "object": [1]}
    if kind in wrong_types:
        yield wrong_types[kind]
    if kind in ("integer", "number"):
        yield from (schema["minimum"] - 1, schema["maximum"] + 1, True)
    if kind == "integer":
        yield schema["minimum"] + 0.5
    if kind == "string" and ("enum" in schema or "pattern" in schema or "format" in schema):
        yield from ("no such", "~", "")
    if "const" in schema:
        yield "something else"
    if "not" in schema:
        yield from ("0" * 24, "F" * 24, "3034257BF7194E40", "E28")
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield ""
    if kind == "array":
        yield value * (schema["maxItems"] // len(value) + 1)
        if schema.get("minItems"):
            yield []
        for broken in violations(schema["items"], value[0]):
            yield [broken, *value[1:]]
    if kind == "object":
        for name in schema.get("required", []):
            yield {n: v for n, v in value.items() if n != name}
        for name, inner in schema["properties"].items():
            if name in value:
                for broken in violations(inner, value[name]):
                    yield {**value, name: broken}


@pytest.mark.parametrize(
    ("channel", "payload"), [e for e in examples() if e[0] != "presence"], ids=lambda v: v if isinstance(v, str) else ""
)
def test_whatever_breaks_the_document_is_refused(channel: str, payload: Any) -> None:
    count = 0
    for broken in violations(SCHEMAS[channel], copy.deepcopy(payload)):
        assert not validator(channel).is_valid(broken) or _only_a_format(channel, payload, broken), broken
        assert refusals(channel, broken), json.dumps(broken)[:300]
        count += 1
    assert count >= 8


def _only_a_format(channel: str, payload: Any, broken: Any) -> bool:
    """jsonschema does not check date-time without a further package; the only fault is a time."""
    times = {"ts", "occurredAt"}
    if channel == "reads" and broken["reads"] != payload["reads"]:
        return {k for k in payload["reads"][0] if broken["reads"][0].get(k) != payload["reads"][0][k]} <= times
    return {k for k in payload if broken.get(k) != payload[k]} <= times


def test_a_valid_fix_without_coordinates_breaks_the_document_and_is_refused() -> None:
    payload = {"ts": "2026-03-02T08:15:00+08:00", "fix": "valid", "lon": 121.4}
    assert not validator("position").is_valid(payload)
    assert [r.reason for r in refusals("position", payload)] == ["missing_field"]


def test_presence_is_plain_text() -> None:
    for word in SCHEMAS["presence"]["enum"]:
        assert not refusals("presence", word)
    assert refusals("presence", "perhaps")
