"""Alerts, runs, rules, dead letters, counters, the audit trail."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.base import Dec, Id, In, LongText, Out, Time
from api.models.enums import AlertEventKind, AlertStatus, RunStatus, Severity


class Alert(Out):
    """An episode in which a rule holds for a subject. Reading: `leg` I business, T title, L goods."""

    alert_id: str
    rule_code: str
    rule_version: int
    subject_kind: str
    subject_id: str
    facility_id: str | None
    warehouse_id: str | None
    pledge_id: str | None
    leg: Literal["I", "T", "L"]
    severity: Severity
    status: AlertStatus
    summary: str
    summary_zh: str
    evidence: Any
    thresholds: dict[str, Any]
    exposure_at_risk: Dec | None
    currency: str | None
    occurred_at: datetime
    opened_at: datetime
    recorded_at: datetime
    last_found_at: datetime
    sla_due_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    owner: str | None
    closing_user: str | None
    second_closing_user: str | None
    closing_reason: str | None
    version: int = Field(description="Send back as If-Match or `version`; a stale one is refused")
    episode: int
    composite_legs: list[str] = Field(default_factory=list)


class AlertCounts(Out):
    """How many alerts are open, by severity."""

    P1: int = 0
    P2: int = 0
    P3: int = 0
    P4: int = 0


class AlertEvent(Out):
    """What happened to an alert; event_id is also the id in the stream."""

    event_id: int
    alert_id: str
    happened_at: datetime
    recorded_at: datetime
    actor: str
    kind: AlertEventKind
    detail: dict[str, Any]


class AlertDetail(Alert):
    """An alert with its history."""

    events: list[AlertEvent]


Version = Annotated[int | None, Field(ge=1, le=2_147_483_647, description="The version you saw; or send it as If-Match")]


class Acknowledgement(In):
    """I have seen this and take it on."""

    version: Version = None
    comment: LongText | None = None


class Assignment(In):
    """Who works on it."""

    owner: Id
    version: Version = None


class Comment(In):
    """A note for the file; it changes no state and needs no version."""

    text: LongText


class StatusChange(In):
    """What the work on it has shown."""

    status: Literal["INVESTIGATING", "CONFIRMED", "EXPLAINED", "FALSE_ALARM"]
    version: Version = None
    comment: LongText | None = None


class Closing(In):
    """Closing P1 and P2 takes two users: the first call proposes, the second, by someone else, closes."""

    reason: LongText
    version: Version = None


class AuditEntry(Out):
    """Who did what, when."""

    audit_id: int
    happened_at: datetime
    recorded_at: datetime
    user_id: str
    action: str
    subject_kind: str
    subject_id: str
    detail: dict[str, Any]


class JobRun(Out):
    """One run of a job."""

    run_id: str
    job: str
    scheduled_for: datetime
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    status: RunStatus
    inputs: dict[str, Any]
    findings: dict[str, Any]
    errors: list[Any]
    duration_ms: int | None
    process: str


class JobSchedule(Out):
    """When a job fires next, by the business clock."""

    job: str
    next_fire_at: datetime
    updated_at: datetime


class Jobs(Out):
    """Next fire times, and runs, newest first."""

    schedule: list[JobSchedule]
    items: list[JobRun]
    next_cursor: str | None


class RunRequest(In):
    """For which instant; none = when it runs."""

    as_of: Time | None = None


class JobRequest(Out):
    """A run that somebody asked for; the leading risk process takes it up."""

    request_id: str
    job: str
    as_of: datetime | None
    requested_by: str
    requested_at: datetime
    state: Literal["WAITING", "TAKEN", "DONE", "FAILED"]
    run_id: str | None


class Rule(Out):
    """A rule as it is judged here. Reading: `leg` I business, T title, L goods; `lasting` ones go away with their cause."""

    code: str
    version: int
    name: str
    name_zh: str
    leg: str
    severity: str
    claim: str
    lasting: bool
    lanes: list[str]
    thresholds: dict[str, str]
    guards: list[str] = Field(description="What keeps it from crying wolf")


class Rules(Out):
    """All rules in reading order."""

    items: list[Rule]


class TallyRow(Out):
    """Counters of one device on one day of receipt, in readings."""

    device_id: str = Field(description="Empty where a topic names no known device")
    day: date
    received: int
    stored: int
    repeated: int
    absorbed: int
    refused: int
    found: int | None = Field(description="Stored readings that the newest count found in the tables; null before the first")
    found_at: datetime | None = Field(description="When it was first found so; every count since gave the same")
    conserved: bool | None = Field(description="Whether that count agreed with the counters of its time; null before the first")


class TallyTotals(Out):
    """Sums over all rows of the answer."""

    received: int
    stored: int
    repeated: int
    absorbed: int
    refused: int


class TallyTables(Out):
    """What the tables hold."""

    observations: int
    positions: int
    device_events: int
    stored: int = Field(description="Sum of the three")
    refused: int = Field(description="Readings in dead letters, times their deliveries")
    purged_stored: int = Field(description="Rows that retention removed; they count as stored")
    purged_refused: int = Field(description="Refused readings whose letters retention removed")


class Tally(Out):
    """received = stored + repeated + absorbed + refused. `agrees`: the counters equal what the tables hold, read in one snapshot."""

    items: list[TallyRow]
    totals: TallyTotals
    tables: TallyTables
    agrees: bool


class Health(Out):
    """The process answers."""

    status: Literal["ok"]


class Check(Out):
    """One thing that the process needs."""

    name: str
    ok: bool
    detail: str


class Readiness(Out):
    """Whether the process can work."""

    status: Literal["ready", "not_ready"]
    checks: list[Check]
