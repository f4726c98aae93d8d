"""Errors sorted by who must act (docs/architecture.md#errors). api/errors.py maps them to HTTP, ingest to dead letters."""

from __future__ import annotations

from typing import Any


class ChuantouError(Exception):
    """Base. `code` is stable and machine-readable; `details` carries the figures; the message is for people."""

    code = "error"

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.details = details


class RejectedInput(ChuantouError):
    """The sender must mend this input."""

    code = "rejected_input"


class NotFound(ChuantouError):
    """There is no such thing."""

    code = "not_found"


class Forbidden(ChuantouError):
    """This user may not do that."""

    code = "forbidden"


class LedgerRefusal(ChuantouError):
    """The ledger refuses; an officer must decide."""

    code = "ledger_refusal"


class AlreadyPledged(LedgerRefusal):
    """These goods already secure a loan."""

    code = "already_pledged"


class EntryConflict(LedgerRefusal):
    """This key was used for other content."""

    code = "idempotency_conflict"


class SamePersonRefused(LedgerRefusal):
    """A second person has to do this step."""

    code = "same_person"


class WrongState(LedgerRefusal):
    """This step does not follow from the present state."""

    code = "wrong_state"


class Shortfall(LedgerRefusal):
    """The value does not suffice; details say by how much and what would make it pass."""

    code = "shortfall"


class StoreUnavailable(ChuantouError):
    """The store cannot be reached; the caller may try again."""

    code = "store_unavailable"


class MisconfiguredService(ChuantouError):
    """A setting is missing or wrong; whoever deploys must mend it."""

    code = "misconfigured"
