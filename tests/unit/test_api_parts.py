"""Pieces of the API that decide without a server."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from api import errors
from api.accounts import plain_name
from api.errors import answer_for
from api.models.base import Amount, Dec, Polygon, PositiveAmount, Time
from api.models.master import NewUser
from api.paging import InvalidCursor, decode_cursor, encode_cursor
from api.permissions import MATRIX, Permission, Role, allowed, permissions_of
from api.problems import plain
from api.sqltext import with_filters
from api.stream import HOLE_GRACE_S, Progress
from api.throttle import Throttle, TooManyAttempts
from api.tokens import Audience, NotAuthenticated, Tokens
from api.unit_of_work import WriteRequest
from collateral.errors import AlreadyPledged, ChuantouError, Forbidden, NotFound, RejectedInput, StoreUnavailable

SECRET = "0123456789abcdef0123456789abcdef"


def test_a_token_opens_what_it_was_issued_for_and_nothing_else() -> None:
    tokens = Tokens(SECRET)
    token, life_s = tokens.issue("u1", "demo")
    assert tokens.check(token).user_id == "u1"
    assert life_s == 28_800
    stream, _ = tokens.issue("u1", "demo", Audience.STREAM, 60)
    assert tokens.check(stream, Audience.STREAM).tenant_id == "demo"
    for wrong, audience in ((stream, Audience.API), (token, Audience.STREAM), (token + "x", Audience.API), ("", Audience.API)):
        with pytest.raises(NotAuthenticated):
            tokens.check(wrong, audience)
    with pytest.raises(NotAuthenticated):
        Tokens("f" * 32).check(token)


def test_a_token_runs_out_on_real_time() -> None:
    wall = [1000.0]
    tokens = Tokens(SECRET, 60, lambda: wall[0])
    token, _ = tokens.issue("u1", "demo")
    wall[0] = 1059.0
    assert tokens.check(token).user_id == "u1"
    wall[0] = 1060.0
    with pytest.raises(NotAuthenticated, match="expired"):
        tokens.check(token)


def test_a_stream_token_remembers_when_the_session_behind_it_ends() -> None:
    tokens = Tokens(SECRET, 600, lambda: 1000.0)
    session = tokens.check(tokens.issue("u1", "demo")[0])
    assert session.session_ends_at_s == session.expires_at_s == 1600
    stream, _ = tokens.issue("u1", "demo", Audience.STREAM, 60, session_ends_at_s=session.session_ends_at_s)
    claims = tokens.check(stream, Audience.STREAM)
    assert (claims.expires_at_s, claims.session_ends_at_s) == (1060, 1600)


def write(**more: Any) -> WriteRequest:
    user = NewUser(username="zhang.wei", display_name="张伟", password=SecretStr("a long password"), roles=[Role.APPROVER])
    return replace(WriteRequest("demo", "u1", "POST", "/api/v1/users", user, "k"), **more)


def test_what_a_key_stands_for_holds_nothing_of_a_password() -> None:
    assert isinstance(user := write().body, NewUser)
    assert write().sha256 == write(body=user.model_copy(update={"password": SecretStr("another password")})).sha256
    assert "long password" not in f"{write()!r} {user.model_dump(mode='json')}"


@pytest.mark.parametrize(
    "other", [{"tenant_id": "x"}, {"user_id": "x"}, {"method": "PUT"}, {"path": "/x"}, {"if_match": '"3"'}, {"body": None}]
)
def test_what_a_key_stands_for_is_who_where_on_which_version_and_what(other: dict[str, Any]) -> None:
    assert write().sha256 == write().sha256
    assert write(**other).sha256 != write().sha256


@pytest.mark.parametrize("typed", ["officer", "Officer", " ＯＦＦＩＣＥＲ ", "ｏfficer"])
def test_a_name_typed_by_an_input_method_is_the_same_name(typed: str) -> None:
    assert plain_name(typed) == "officer"


def test_a_token_without_signature_is_refused() -> None:
    import jwt

    forged = jwt.encode(
        {"iss": "chuantou", "aud": "chuantou-api", "sub": "u", "tenant": "demo", "iat": 0, "exp": 2**31, "jti": "x"}, "", algorithm="none"
    )
    with pytest.raises(NotAuthenticated):
        Tokens(SECRET).check(forged)


def test_guessing_gets_slower_and_a_right_answer_clears_the_name() -> None:
    now = [0.0]
    throttle = Throttle(free_failures=3, wait_s=2, monotonic_s=lambda: now[0])
    for _ in range(4):
        throttle.begin("officer")
        throttle.failed("officer")
    with pytest.raises(TooManyAttempts) as first:
        throttle.begin("officer")
    assert first.value.details["retry_after_s"] == 3
    throttle.begin("somebody else")
    now[0] = 2.1
    throttle.begin("officer")
    throttle.failed("officer")
    with pytest.raises(TooManyAttempts) as second:
        throttle.begin("officer")
    assert second.value.details["retry_after_s"] > first.value.details["retry_after_s"]
    now[0] = 60
    throttle.begin("officer")
    throttle.succeeded("officer")
    for _ in range(3):
        throttle.begin("officer")
        throttle.failed("officer")


def test_attempts_at_once_are_counted_before_their_passwords_are_looked_at() -> None:
    throttle = Throttle(free_failures=2, wait_s=2, monotonic_s=lambda: 0.0)
    for _ in range(3):
        throttle.begin("officer")
    with pytest.raises(TooManyAttempts):
        throttle.begin("officer")
    throttle.dropped("officer")
    throttle.begin("officer")
    for _ in range(3):
        throttle.failed("officer")
    with pytest.raises(TooManyAttempts):
        throttle.begin("officer")


def test_after_the_free_failures_one_attempt_at_a_time() -> None:
    now = [0.0]
    throttle = Throttle(free_failures=0, wait_s=2, monotonic_s=lambda: now[0])
    throttle.begin("officer")
    throttle.failed("officer")
    now[0] = 2.0
    throttle.begin("officer")
    with pytest.raises(TooManyAttempts) as waits:
        throttle.begin("officer")
    assert waits.value.details["retry_after_s"] == 1


def test_the_throttle_forgets_the_oldest_when_it_is_full() -> None:
    throttle = Throttle(free_failures=0, keys_max=2)
    for key in "abc":
        throttle.failed(key)
    throttle.begin("a")
    with pytest.raises(TooManyAttempts):
        throttle.begin("c")


def test_every_permission_has_somebody_and_reading_is_for_all() -> None:
    assert set(MATRIX) == set(Permission)
    assert all(MATRIX.values())
    assert all(allowed([role], Permission.READ) for role in Role)


def test_an_auditor_only_reads_and_holds_evidence() -> None:
    assert permissions_of([Role.AUDITOR]) == [Permission.READ, Permission.AUDIT_READ, Permission.HOLD_PLACE, Permission.EPCIS_QUERY]


def test_nobody_may_both_make_and_check_by_one_role() -> None:
    for make, check in (
        (Permission.PLEDGE_CREATE, Permission.PLEDGE_APPROVE),
        (Permission.RELEASE_REQUEST, Permission.RELEASE_MAKE),
        (Permission.RELEASE_MAKE, Permission.RELEASE_CHECK),
    ):
        assert MATRIX[make].isdisjoint(MATRIX[check])


AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Amount)
POSITIVE: TypeAdapter[Decimal] = TypeAdapter(PositiveAmount)
OUT: TypeAdapter[Decimal] = TypeAdapter(Dec)
TIME: TypeAdapter[datetime] = TypeAdapter(Time)


@pytest.mark.parametrize("value", ["12.50", "-3", "0", 7, "9999999999999999.99"])
def test_money_is_a_decimal_string_or_a_whole_number(value: object) -> None:
    assert AMOUNT.validate_python(value) == Decimal(str(value))


@pytest.mark.parametrize("value", [12.5, True, "1.005", "1e3", "NaN", "Infinity", "", " 1", "1,000", "99999999999999999", "１２", None, []])
def test_money_in_another_dress_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        AMOUNT.validate_python(value)


@pytest.mark.parametrize("value", ["0", "0.00", "-1", 0])
def test_a_positive_amount_is_greater_than_nothing(value: object) -> None:
    with pytest.raises(ValidationError):
        POSITIVE.validate_python(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12))
def test_a_decimal_leaves_as_digits_and_comes_back_the_same(value: Decimal) -> None:
    text = OUT.dump_python(value, mode="json")
    assert "E" not in text
    assert Decimal(text) == value


@pytest.mark.parametrize("text", ["2020-03-09T06:00:00Z", "2020-03-09T14:00:00+08:00", "2020-03-09t06:00:00.000z"])
def test_times_with_an_offset_become_utc(text: str) -> None:
    assert TIME.validate_python(text) == datetime(2020, 3, 9, 6, tzinfo=UTC)
    assert TIME.validate_python(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", ["2020-03-09T06:00:00", "2020-03-09", 1583733600, "1583733600", "0001-01-01T00:00:00+14:00", "nonsense"])
def test_times_without_an_offset_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        TIME.validate_python(value)


@pytest.mark.parametrize("ring", [[], [[0, 0]], [[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 0], [1, 0], [1, float("nan")], [0, 0]], "x"])
def test_a_polygon_that_is_none_is_refused(ring: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Polygon).validate_python({"type": "Polygon", "coordinates": [ring]})


KEY = st.tuples(st.datetimes(timezones=st.just(UTC)), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))


@given(KEY)
def test_a_cursor_gives_back_the_key_it_was_made_of(key: tuple[datetime, str]) -> None:
    assert decode_cursor("alerts", encode_cursor("alerts", key), (datetime, str)) == list(key)


@given(st.text(max_size=80))
def test_a_made_up_cursor_is_refused_and_never_crashes(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor("alerts", text, (datetime, str))


def test_optional_lines_follow_the_filters() -> None:
    query = "SELECT 1\n WHERE true\n/*? status */   AND status = %(status)s\n/*? after_0 */   AND x > %(after_0)s\n LIMIT 1"
    assert with_filters(query, {"status": "OPEN"}) == "SELECT 1\n WHERE true\n   AND status = %(status)s\n LIMIT 1"
    assert with_filters(query, {"status": None, "after_0": 0}) == "SELECT 1\n WHERE true\n   AND x > %(after_0)s\n LIMIT 1"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RejectedInput("x"), 422, "rejected_input"),
        (NotFound("x"), 404, "not_found"),
        (Forbidden("x"), 403, "forbidden"),
        (AlreadyPledged("x"), 409, "already_pledged"),
        (StoreUnavailable("host=10.0.0.1"), 503, "store_unavailable"),
        (NotAuthenticated(), 401, "not_authenticated"),
        (TooManyAttempts(retry_after_s=9), 429, "too_many_attempts"),
        (psycopg.OperationalError("host=10.0.0.1"), 503, "store_unavailable"),
        (psycopg.errors.UniqueViolation(), 409, "conflict"),
        (psycopg.DataError(), 422, "rejected_input"),
    ],
)
def test_each_error_has_its_answer(error: Exception, status: int, code: str) -> None:
    answer = answer_for(error)
    assert answer is not None
    assert (answer.status, answer.code) == (status, code)
    assert "10.0.0.1" not in answer.detail


def test_every_code_that_a_problem_can_carry_has_words_on_the_desk_in_both_languages() -> None:
    def kinds(kind: type[ChuantouError]) -> set[str]:
        return {kind.code}.union(*(kinds(k) for k in kind.__subclasses__()))

    source = (Path(errors.__file__)).read_text(encoding="utf-8")
    codes = (
        kinds(ChuantouError)
        | set(errors._HTTP_CODES.values())
        | set(re.findall(r'(?:Answer\([^,]+, "|return Answer\(\d+, ")([a-z_]+)"', source))
    )
    codes |= {"http_error", "expired", "deactivated", "roles_changed"}
    codes = {code for code in codes if not code.startswith("epcis_")}  # answers to systems that capture, never to the desk
    desk = (Path(errors.__file__).parent / "desk" / "errors.js").read_text(encoding="utf-8")
    words = {m[1]: (m[2], m[3]) for m in re.finditer(r"^  ([a-z_]+): \['([^']+)', '([^']+)'\],$", desk, re.M)}
    assert codes <= set(words), codes - set(words)
    assert {"internal_error", "store_unavailable", "conflict", "malformed_json"} <= codes
    assert all(re.search(r"[\u4e00-\u9fff]", zh) and not re.search(r"[\u4e00-\u9fff]", en) for en, zh in words.values())


def test_a_fault_of_ours_has_no_answer_but_the_general_one() -> None:
    assert answer_for(KeyError("x")) is None


def test_plain_values_keep_their_digits() -> None:
    assert plain({"a": Decimal("1.50"), "b": [datetime(2020, 3, 9, tzinfo=UTC)], "c": (1, None)}) == {
        "a": "1.50",
        "b": ["2020-03-09T00:00:00Z"],
        "c": [1, None],
    }


# ------------------------------------------------- which events a client may resume after


def test_ids_that_commit_in_order_settle_at_once() -> None:
    progress = Progress(10)
    for event_id in (11, 12):
        progress.add(event_id)
    progress.advance(now_s=0, xid_next=100, xid_oldest=100)
    assert progress.settled == 12
    assert progress.resume_id(12) == 12


def test_a_late_commit_is_not_passed_by_the_resume_id() -> None:
    progress = Progress(10)
    progress.add(12)
    progress.advance(now_s=0, xid_next=100, xid_oldest=99)
    assert progress.resume_id(12) == 10
    progress.add(11)
    progress.advance(now_s=1, xid_next=101, xid_oldest=101)
    assert progress.settled == 12
    assert progress.resume_id(12) == 12
    assert progress.sent_above == []


def test_a_rolled_back_id_is_given_up_only_when_no_transaction_can_still_bring_it() -> None:
    progress = Progress(10)
    progress.add(12)
    progress.advance(now_s=0, xid_next=100, xid_oldest=90)
    progress.advance(now_s=HOLE_GRACE_S * 10, xid_next=200, xid_oldest=99)  # the one that might bring it still runs
    assert progress.settled == 10
    progress.advance(now_s=HOLE_GRACE_S * 10, xid_next=200, xid_oldest=100)
    assert progress.settled == 12
    assert not progress.waiting


@given(st.permutations(list(range(1, 9))), st.sets(st.integers(1, 8), max_size=4))
def test_whatever_the_order_of_commits_no_event_is_skipped(order: list[int], rolled_back: set[int]) -> None:
    progress = Progress(0)
    for step, event_id in enumerate(i for i in order if i not in rolled_back):
        progress.add(event_id)
        progress.advance(now_s=step, xid_next=1000, xid_oldest=1)
        missing = [i for i in order[order.index(event_id) + 1 :] if i not in rolled_back]
        assert all(progress.resume_id(event_id) < i or i > event_id for i in missing)
    progress.advance(now_s=1e6, xid_next=1000, xid_oldest=1000)
    committed = [i for i in order if i not in rolled_back]
    assert progress.settled == max(committed, default=0)
