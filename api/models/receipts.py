"""The life of warehouse receipts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field, model_validator

from api.models.base import AmountFromZero, Day, Dec, Id, In, LongText, Out, PositiveAmount, QuantityValue, Text
from api.models.enums import Endorsement, ReceiptEventKind, ReceiptOrderKind, ReceiptState, UnitName
from api.models.goods import GoodsIds, Receipt

Pieces = Annotated[int, Field(ge=1, le=1_000_000)]


class NewReceiptElements(In):
    """What the law (Civil Code article 909) and GB/T 30332-2024 ask of a receipt beside what its registration says."""

    depositor_name: Text = Field(description="As the depositor is registered, in Chinese or English")
    depositor_address: Text
    goods_name: Text
    quantity: QuantityValue = Field(description="The sum of the units under the receipt")
    unit: UnitName
    quality: Text
    packing: Text
    pieces: Pieces
    marks: Text
    shrinkage_standard: Text
    storage_place: Text
    storage_from: Day
    storage_to: Day
    storage_fee: AmountFromZero
    insurer: Text
    insurance_from: Day
    issuer_name: Text = Field(description="The keeper, as registered")
    issue_place: Text
    keeper_signatory: Text
    electronic: bool = True


class ReceiptElements(Out):
    """The mandatory elements on record."""

    depositor_name: str
    depositor_address: str
    goods_name: str
    quantity: Dec
    unit: str
    quality: str
    packing: str
    pieces: int
    marks: str
    shrinkage_standard: str
    storage_place: str
    storage_from: date
    storage_to: date
    storage_fee: Dec
    insurer: str
    insurance_from: date
    issuer_name: str
    issue_place: str
    keeper_signatory: str
    electronic: bool


class ReceiptEvent(Out):
    """One step of a receipt's life; hash seals it and all before it."""

    event_no: int
    kind: ReceiptEventKind
    state: ReceiptState
    happened_at: datetime
    actor: str
    asked_by: str | None
    content: str = Field(description="Canonical JSON; hash = SHA-256 of prev_hash and this text")
    prev_hash: str
    hash: str


class ReceiptDetail(Receipt):
    """A receipt with its mandatory elements and its life."""

    live_goods_ids: list[str] = Field(description="Units that lie under it now")
    holder_party_id: str
    endorsee_party_id: str | None
    predecessors: list[str]
    successors: list[str]
    elements: ReceiptElements | None
    events: list[ReceiptEvent]


class FreezeReceipt(In):
    """Why a receipt is frozen."""

    reason: LongText


class ReceiptPart(In):
    """What one of the receipts that a split makes covers."""

    receipt_no: Id
    goods_ids: GoodsIds
    insured_amount: PositiveAmount
    storage_fee: AmountFromZero
    pieces: Pieces


class NewReceiptOrder(In):
    """A step that two people decide. ENDORSE needs endorsement and keeper_signatory (and endorsee_party_id unless RETURN), SPLIT parts, MERGE receipt_no."""

    kind: ReceiptOrderKind
    receipt_nos: Annotated[list[Id], Field(min_length=1, max_length=100)]
    reason: LongText
    endorsement: Endorsement | None = None
    endorsee_party_id: Id | None = None
    keeper_signatory: Text | None = None
    parts: Annotated[list[ReceiptPart], Field(min_length=2, max_length=100)] | None = None
    receipt_no: Id | None = Field(default=None, description="Number of the merged receipt")

    @model_validator(mode="after")
    def _needs_its_own(self) -> NewReceiptOrder:
        needed = {"ENDORSE": ("endorsement", "keeper_signatory"), "SPLIT": ("parts",), "MERGE": ("receipt_no",)}.get(self.kind, ())
        missing = [name for name in needed if getattr(self, name) is None]
        if self.endorsement in ("PLEDGE", "TRANSFER") and self.endorsee_party_id is None:
            missing.append("endorsee_party_id")
        if missing:
            raise ValueError(f"{self.kind} needs {', '.join(missing)}")
        return self


class ReceiptOrder(Out):
    """What one person asked to be done with receipts, and what another decided."""

    order_id: str
    kind: ReceiptOrderKind
    receipt_nos: list[str]
    request: dict[str, Any]
    reason: str
    status: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
