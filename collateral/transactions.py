"""One transaction around a piece of work, tried again when the store asks for it, with the store's words turned into ours."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, errors
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from collateral.errors import EntryConflict, RejectedInput, SamePersonRefused, StoreUnavailable

T = TypeVar("T")
ATTEMPTS_MAX = 6
_BACKOFF_S = 0.01
_SAME_PERSON = (
    "pledge_maker_is_not_checker",
    "release_requester_is_not_maker",
    "release_maker_is_not_checker",
    "release_second_checker_is_another",
    "price_override_by_two",
    "price_differential_by_two",
    "ledger_correction_by_two",
    "receipt_order_by_two",
)


def in_transaction(pool: ConnectionPool[Connection[Any]], work: Callable[[Connection[Any]], T], *, one_instant: bool = False) -> T:
    """Run work in a transaction and commit. Serialization failures and deadlocks are tried again, a bounded number of times.

    one_instant: all statements see the store as it was at the first (REPEATABLE READ). Inside another transaction that one's isolation holds.

    work may run several times: it must do nothing but talk to the connection. Raises StoreUnavailable when the store cannot be reached or stays
    contended, RejectedInput or EntryConflict where a constraint refused.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            with pool.connection() as conn:
                joined = conn.info.transaction_status is not TransactionStatus.IDLE
                with conn.transaction():
                    if one_instant and not joined:
                        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    return work(conn)
        except (errors.SerializationFailure, errors.DeadlockDetected) as exc:
            if attempt == ATTEMPTS_MAX:
                raise StoreUnavailable(f"the store stayed contended through {attempt} attempts", attempts=attempt) from exc
            time.sleep(_BACKOFF_S * 2**attempt * random.random())  # noqa: S311  jitter, no secret
        except (psycopg.OperationalError, PoolTimeout) as exc:
            raise StoreUnavailable(f"the store did not answer: {exc}") from exc
        except (psycopg.IntegrityError, psycopg.DataError) as exc:
            raise refusal_of(exc) from exc
    raise AssertionError("unreachable")


def refusal_of(exc: psycopg.IntegrityError | psycopg.DataError) -> Exception:
    """The error of ours that a refused write stands for."""
    constraint = exc.diag.constraint_name or ""
    words = exc.diag.message_primary or str(exc)
    detail = exc.diag.message_detail or ""
    if constraint in _SAME_PERSON:
        return SamePersonRefused(constraint=constraint)
    if isinstance(exc, errors.UniqueViolation | errors.ExclusionViolation):
        return EntryConflict(f"this is already recorded: {detail or words}", constraint=constraint)
    if isinstance(exc, errors.ForeignKeyViolation):
        return RejectedInput(f"this refers to something that is not registered: {detail or words}", constraint=constraint)
    if isinstance(exc, errors.CheckViolation | errors.NotNullViolation | psycopg.DataError):
        return RejectedInput(f"the store refuses this value: {words}", constraint=constraint, column=exc.diag.column_name)
    return exc
