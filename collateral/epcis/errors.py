"""What the EPCIS interfaces refuse. api/errors.py gives each its status, api/epcis_http.py the standard's exception name."""

from __future__ import annotations

from collateral.errors import ChuantouError, EntryConflict, RejectedInput


class InvalidEpcis(RejectedInput):
    """The document or an event in it does not follow EPCIS 2.0."""

    code = "epcis_invalid"


class EventConflict(EntryConflict):
    """This event id is taken by other content."""

    code = "epcis_event_conflict"


class QueryNameTaken(EntryConflict):
    """A query of this name exists."""

    code = "epcis_query_exists"


class CaptureLimitExceeded(RejectedInput):
    """The document has more events, or is larger, than one capture may be."""

    code = "epcis_capture_limit"


class QueryParameterRefused(RejectedInput):
    """A query parameter is unknown, or its value cannot be used."""

    code = "epcis_query_parameter"


class QueryTooLarge(RejectedInput):
    """The query finds more events than its maxEventCount."""

    code = "epcis_query_too_large"


class VersionNotSupported(ChuantouError):
    """What the request's headers ask for cannot be given."""

    code = "epcis_not_acceptable"


class MediaTypeRefused(ChuantouError):
    """EPCIS is accepted as application/json or application/ld+json."""

    code = "unsupported_media_type"
