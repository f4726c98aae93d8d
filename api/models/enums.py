"""Closed lists of the schema's CHECKs, as the API names them."""

from __future__ import annotations

from typing import Literal

PartyRole = Literal[
    "BORROWER",
    "LENDER",
    "COLLATERAL_MANAGER",
    "WAREHOUSE_OPERATOR",
    "DEPOSITOR",
    "CORE_ENTERPRISE",
    "CARRIER",
    "INSPECTOR",
    "PANEL_BUYER",
    "COUNTERPARTY",
]
WarehouseKind = Literal["STEEL_YARD", "BONDED_METAL", "TANK_FARM", "CAR_YARD", "GENERAL"]
ControlMode = Literal["CMA", "SMA"]
Grade = Literal["A", "B", "C", "D"]
Datum = Literal["WGS84", "GCJ02", "BD09"]
ZoneKind = Literal["BAY", "TANK", "GATE_INNER", "GATE_OUTER", "YARD", "OFFICE"]
DeviceClass = Literal["rfid", "gate", "gps", "wms", "sensor", "gw"]
UnitName = Literal["kg", "t", "piece", "m3", "bbl"]
PriceStatus = Literal["ACCEPTED", "QUARANTINED", "REFUSED"]
GoodsKind = Literal["COIL", "BUNDLE", "PALLET", "VEHICLE", "TANK_LOT", "PIECE"]
GoodsState = Literal[
    "EXPECTED",
    "IN_TRANSIT",
    "INBOUND_CHECK",
    "STORED",
    "PLEDGED",
    "RELEASE_APPROVED",
    "GATED_OUT",
    "DELIVERED",
    "MISSING",
    "DISPUTED",
    "QUARANTINED",
]
ReceiptState = Literal["ISSUED", "ENDORSED", "FROZEN", "CANCELLED"]
ReceiptEventKind = Literal["ISSUED", "PLEDGE_ENDORSED", "TRANSFERRED", "RETURNED", "FROZEN", "UNFROZEN", "SPLIT", "MERGED", "CANCELLED"]
ReceiptOrderKind = Literal["ENDORSE", "UNFREEZE", "SPLIT", "MERGE", "CANCEL"]
Endorsement = Literal["PLEDGE", "TRANSFER", "RETURN"]
DocumentKind = Literal[
    "CONTRACT", "INVOICE", "WAYBILL", "WEIGH_TICKET", "PAYMENT", "TRANSFER_NOTE", "REGISTRY_FILING", "INSURANCE", "INSPECTION"
]
TripStatus = Literal["PLANNED", "UNDER_WAY", "ARRIVED", "CANCELLED"]
Product = Literal["STEEL_STATIC", "METAL_FLOATING", "PETROCHEM_TANK", "AUTO_FLOORPLAN", "PREPAY_THEN_GOODS", "GENERAL"]
PledgeMode = Literal["STATIC", "FLOATING"]
SourceRule = Literal["PRIMARY_WITH_TOLERANCE", "LOWER_OF"]
DifferentialKind = Literal["GRADE", "SPEC", "BRAND", "PLACE"]
Proposal = Literal["PROPOSED", "APPROVED", "REJECTED"]
DayCount = Literal["ACT/360", "ACT/365F"]
Account = Literal["fees", "interest", "principal"]
CapDimension = Literal["WAREHOUSE", "BRAND", "MILL", "SKU"]
CureUnit = Literal["HOURS", "BUSINESS_DAYS"]
CureTarget = Literal["START", "WARNING"]
FacilityStatus = Literal["ACTIVE", "FROZEN", "IN_DISPOSAL", "CLOSED"]
PledgeStatus = Literal["DRAFT", "SEARCHED", "CONTROLLED", "REGISTERED", "ACTIVE", "RELEASING", "FROZEN", "IN_DISPOSAL", "DISCHARGED"]
ReleaseStatus = Literal["REQUESTED", "MAKER_OK", "CHECKER_OK", "ISSUED", "PICKING", "GATED_OUT", "RECONCILED", "CANCELLED", "EXPIRED"]
CashKind = Literal["DRAWDOWN", "REPAYMENT", "MARGIN_DEPOSIT", "MARGIN_RETURN", "INTEREST", "FEE"]
EntryKind = Literal["PLEDGE", "RELEASE", "DRAWDOWN", "REPAYMENT", "MARGIN_DEPOSIT", "MARGIN_RETURN", "INTEREST", "FEE", "CORRECTION"]
LineState = Literal["OK", "WARNING", "MARGIN_CALL", "DISPOSAL", "CANNOT_JUDGE"]
CallStatus = Literal["ISSUED", "ACKNOWLEDGED", "PARTLY_CURED", "CURED", "EXPIRED", "ESCALATED"]
CaseStatus = Literal["DRAFT", "APPROVED", "MARKETING", "AWARDED", "SETTLED", "WITHDRAWN"]
Severity = Literal["P1", "P2", "P3", "P4"]
AlertStatus = Literal["OPEN", "ACK", "INVESTIGATING", "CONFIRMED", "EXPLAINED", "FALSE_ALARM", "CLOSED", "RESOLVED"]
AlertEventKind = Literal[
    "OPENED", "REFRESHED", "RAISED", "RESOLVED", "REOPENED", "ACKNOWLEDGED", "ASSIGNED", "COMMENTED", "STATUS", "CLOSED"
]
RunStatus = Literal["RUNNING", "SUCCEEDED", "PARTLY_FAILED", "FAILED", "ABANDONED"]
DeadLetterState = Literal["KEPT", "QUEUED", "REDRIVEN", "DISCARDED"]
