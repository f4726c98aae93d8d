"""R07: a warehouse receipt does not stand up to its issuer, its number, its date or its goods."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from collateral.signing import canonical_json
from risk.facts_trade import Receipt
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot

DATE_SLACK = Threshold(name="date_slack", value=timedelta(hours=24), meaning="by which a receipt may be dated before its goods came in")
ATTEMPTS = Threshold(name="attempts", value=3, meaning="questions without an answer before a receipt counts as unverifiable")
HASH_FIELD = "content_sha256"

_WORDS = {
    "hash": ("its content does not match the hash it carries", "内容与所附哈希不符"),
    "unknown": ("its issuer does not know the number", "签发方查无此号"),
    "different": ("its issuer's record differs", "与签发方记录不一致"),
    "revoked": ("its issuer has revoked it", "签发方已作废"),
    "reused": ("its number is used more than once", "编号重复使用"),
    "series": ("its number lies outside the numbers that its keeper has given out", "编号不在保管人发号区间内"),
    "date": ("it is dated before its goods came in", "签发日早于货物入库"),
    "keeper": ("its keeper's licence has lapsed", "保管人资质已失效"),
    "stranger": ("its keeper does not operate the site", "保管人并非库区经营方"),
    "owner": ("its depositor is not the owner of its goods", "存货人并非货物所有人"),
    "unverifiable": ("its issuer cannot be reached to confirm it", "签发方暂时无法核验"),
}
_SEVERITY = {"stranger": Severity.P2, "owner": Severity.P2, "unverifiable": Severity.P3}


def content_sha256(content: dict[str, Any]) -> str:
    """Hash of a receipt's content without the hash itself, over canonical JSON."""
    return sha256(canonical_json({k: v for k, v in content.items() if k != HASH_FIELD})).hexdigest()


def in_series(receipt_no: str, series: tuple[tuple[str, int, int], ...]) -> bool:
    """Whether a number was given out: prefix, then digits between first and last."""
    for prefix, first, last in series:
        tail = receipt_no.removeprefix(prefix)
        if receipt_no.startswith(prefix) and tail.isascii() and tail.isdigit() and first <= int(tail[:18]) <= last:
            return True
    return False


def _faults(receipt: Receipt, snapshot: Snapshot) -> list[str]:
    tuned = snapshot.tuned.of("R07", receipt.tenant_id, warehouse_id=receipt.warehouse_id)
    faults = []
    said = receipt.content.get(HASH_FIELD)
    if isinstance(said, str) and said.lower() != content_sha256(dict(receipt.content)):
        faults.append("hash")
    if receipt.check in ("UNKNOWN", "DIFFERENT", "REVOKED"):
        faults.append(receipt.check.lower())
    if receipt.same_number > 1:
        faults.append("reused")
    if receipt.series and not in_series(receipt.receipt_no, receipt.series):
        faults.append("series")
    if receipt.came_in_at is not None and receipt.came_in_at - receipt.issued_at > tuned.span(DATE_SLACK):
        faults.append("date")
    if receipt.licence_to is not None and receipt.licence_to < snapshot.as_of:
        faults.append("keeper")
    if receipt.keeper_party_id != receipt.operator_party_id:
        faults.append("stranger")
    if receipt.owners and receipt.depositor_party_id not in receipt.owners:
        faults.append("owner")
    if receipt.check == "UNREACHABLE" and Decimal(receipt.check_attempts) >= tuned.number(ATTEMPTS):
        faults.append("unverifiable")
    return faults


def check(snapshot: Snapshot) -> list[Verdict]:
    """Receipts with a fault; the worst gives the severity."""
    verdicts: list[Verdict] = []
    for receipt in snapshot.receipts:
        faults = _faults(receipt, snapshot)
        if not faults:
            continue
        severity = min((_SEVERITY.get(f, Severity.P1) for f in faults), key=lambda s: s.value)
        said, said_zh = "; ".join(_WORDS[f][0] for f in faults), "；".join(_WORDS[f][1] for f in faults)
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=receipt.tenant_id, kind=SubjectKind.DOCUMENT, id=receipt.receipt_no),
                severity=severity,
                occurred_at=receipt.check_at or receipt.recorded_at,
                warehouse_id=receipt.warehouse_id,
                summary=f"Receipt {receipt.receipt_no}: {said}.",
                summary_zh=f"仓单 {receipt.receipt_no}：{said_zh}。",
                evidence={
                    "receipt_no": receipt.receipt_no,
                    "faults": faults,
                    "keeper_party_id": receipt.keeper_party_id,
                    "operator_party_id": receipt.operator_party_id,
                    "depositor_party_id": receipt.depositor_party_id,
                    "owners": list(receipt.owners)[:20],
                    "issued_at": receipt.issued_at,
                    "came_in_at": receipt.came_in_at,
                    "check": receipt.check,
                    "check_at": receipt.check_at,
                    "check_attempts": receipt.check_attempts,
                    "same_number": receipt.same_number,
                    "licence_to": receipt.licence_to,
                },
                **of_holder(receipt.holder),
            )
        )
    return verdicts


RULE = Rule(
    code="R07",
    version=1,
    name="Receipt not genuine",
    name_zh="仓单/单证核验失败",
    leg=Leg.TRADE,
    severity="P1; P2 when only keeper or depositor do not fit; P3 when only the issuer cannot be reached",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A live receipt fails a check: the hash of its content, its issuer's answer, its number (re-used, or never given out), its date against the first "
    "gate passage of its goods, its keeper's licence, keeper against operator of the site, depositor against owner of the goods.",
    inputs=(Section.RECEIPTS,),
    thresholds=(DATE_SLACK, ATTEMPTS),
    guards=(
        "An issuer that cannot be reached is asked three times before the receipt counts as unverifiable, and that is P3, not a forgery.",
        "A date is judged only where the goods' very first sign is a gate passage inwards; goods that lay there before they were tagged came in unseen.",
        "Numbers are judged against a series only where the keeper has stated one.",
    ),
    check=check,
)
