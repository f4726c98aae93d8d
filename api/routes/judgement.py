"""The verdict on a subject, what rules are given to judge by, and how they are set."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api.deps import ReadDep, Reader, Writer, writes
from api.models.rule_inputs import NewMode, NewThreshold, RecordedInput, RuleInput, RuleSetting, Verdict
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, PathId, router
from api.unit_of_work import Done
from collateral import rule_input_service
from collateral.errors import RejectedInput
from collateral.rule_input_service import SetThreshold
from db.pool import Pool
from risk.rule import Rule, Scope
from risk.rules import RULES
from risk.verdict_store import verdict_on

routes = router("judgement")
MasterWriter = Annotated[Writer, Depends(writes(Permission.MASTER_WRITE))]
Tuner = Annotated[Writer, Depends(writes(Permission.RULE_TUNE))]
# fields of bodies that are named after what they say; in the table all of them are `kind`
_KINDS = ("ticket_kind", "figure_kind", "event_kind", "link_kind", "proof_kind", "place_kind")


def _verdict(reader: Reader, kind: str, subject_id: str) -> dict[str, Any]:
    made = verdict_on(reader.pool, reader.tenant, kind, subject_id, reader.now)
    legs = [
        {"leg": s.leg, "score": s.score, "colour": s.colour, "reasons": [{**asdict(r.alert), "takes": r.takes} for r in s.reasons]}
        for s in made.legs
    ]
    return {**{k: getattr(made, k) for k in ("kind", "id", "as_of", "score", "colour", "composite", "why", "why_zh")}, "legs": legs}


@routes.get("/verdicts/pledges/{pledge_id}", response_model=Verdict, responses=READ_ERRORS)
def get_pledge_verdict(reader: ReadDep, pledge_id: PathId) -> dict[str, Any]:
    """How sound a pledge looks: business, trade and goods from 0 to 100, with the alerts that took points and their evidence."""
    return _verdict(reader, "pledge", pledge_id)


@routes.get("/verdicts/facilities/{facility_id}", response_model=Verdict, responses=READ_ERRORS)
def get_facility_verdict(reader: ReadDep, facility_id: PathId) -> dict[str, Any]:
    """How sound a facility looks."""
    return _verdict(reader, "facility", facility_id)


@routes.get("/verdicts/borrowers/{party_id}", response_model=Verdict, responses=READ_ERRORS)
def get_borrower_verdict(reader: ReadDep, party_id: PathId) -> dict[str, Any]:
    """How sound all facilities of a borrower look."""
    return _verdict(reader, "borrower", party_id)


@routes.get("/verdicts/warehouses/{warehouse_id}", response_model=Verdict, responses=READ_ERRORS)
def get_warehouse_verdict(reader: ReadDep, warehouse_id: PathId) -> dict[str, Any]:
    """How sound a site looks."""
    return _verdict(reader, "warehouse", warehouse_id)


@routes.post("/rule-inputs", status_code=201, response_model=RecordedInput, responses=WRITE_ERRORS)
def record_rule_input(body: RuleInput, writer: MasterWriter) -> Response:
    """Something that a rule needs and no device says: a calibration, a tank's table, hours, a ticket, a figure, a proof. A newer one counts."""

    def act(pool: Pool, now: datetime) -> Done:
        values = body.model_dump(exclude={"kind"})
        for name in _KINDS:
            if name in values:
                values["kind"] = values.pop(name)
        input_id = rule_input_service.record_input(pool, writer.tenant, body.kind, values, writer.user.user_id, now)
        return Done(RecordedInput(kind=body.kind, input_id=input_id), "rule_input", input_id, 201, {"kind": body.kind})

    return writer.perform("rule_input.record", body, act)


def _require_rule(rule_code: str) -> Rule:
    rule = next((r for r in RULES if r.code == rule_code), None)
    if rule is None:
        raise RejectedInput(f"There is no rule {rule_code}.", field="rule_code")
    return rule


def _require_settable(body: NewThreshold) -> None:
    rule = _require_rule(body.rule_code)
    threshold = next((t for t in rule.thresholds if t.name == body.name), None)
    if threshold is None:
        raise RejectedInput(f"Rule {rule.code} has no threshold {body.name}.", field="name", known=[t.name for t in rule.thresholds])
    fault = threshold.fault(body.value if body.value is not None else threshold.plain())
    if fault is not None:
        raise RejectedInput(f"Rule {rule.code}: {fault}.", field="name" if threshold.fixed else "value")
    for scope, given, field in ((Scope.PRODUCT, body.product, "product"), (Scope.SITE, body.warehouse_id, "warehouse_id")):
        if given is not None and scope not in rule.scopes:
            raise RejectedInput(f"Rule {rule.code} does not judge by {scope}: set it for the tenant.", field=field)


@routes.post("/rule-thresholds", status_code=201, response_model=RuleSetting, responses=WRITE_ERRORS)
def set_rule_threshold(body: NewThreshold, writer: Tuner) -> Response:
    """A threshold for the tenant, a product or a site; the narrowest counts. What was before is kept."""

    def act(pool: Pool, now: datetime) -> Done:
        _require_settable(body)
        command = SetThreshold(tenant_id=writer.tenant, **body.model_dump())
        version = rule_input_service.set_threshold(pool, command, writer.user.user_id, now)
        detail = body.model_dump(mode="json")
        return Done(RuleSetting(rule_code=body.rule_code, version=version), "rule", body.rule_code, 201, detail)

    return writer.perform("rule.threshold", body, act)


@routes.post("/rule-modes", status_code=201, response_model=RuleSetting, responses=WRITE_ERRORS)
def set_rule_mode(body: NewMode, writer: Tuner) -> Response:
    """Put a rule in shadow, or live again. In shadow it is judged and recorded and raises no alert; alerts that are open stay."""

    def act(pool: Pool, now: datetime) -> Done:
        _require_rule(body.rule_code)
        version = rule_input_service.set_mode(pool, writer.tenant, body.rule_code, body.mode, body.reason, writer.user.user_id, now)
        detail = body.model_dump(mode="json")
        return Done(RuleSetting(rule_code=body.rule_code, version=version), "rule", body.rule_code, 201, detail)

    return writer.perform("rule.mode", body, act)
