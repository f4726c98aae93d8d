"""What is wrong with a facility's book, row by row. Pure: the journal is replayed and everything kept beside it is compared with the replay.

An entry's hash proves its row and its lines together. Where it does not hold, the one change that makes it hold again (a line's amount, account,
unit or goods; a line too many or too few; the entry's own hash) is looked for, so that the very row is named with what stood there. When none is
found, the entry and its lines are named together: then more than one value was changed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice

from collateral.ledger import GENESIS, Entry, Posting, after, entry_hash, reversed_postings, sums
from collateral.model import Balance

MONEY_ACCOUNTS = ("principal", "interest", "fees", "cash_margin", "bank", "income")
STOCK_ACCOUNTS = ("stock:free", "stock:pledged", "stock:out")
_TRIED_LINES_MAX = 400_000  # lines hashed in search of one change: bounds the time over an entry of thousands of units
_KEPT = ("principal", "interest", "fees", "cash_margin", "last_entry_no", "last_hash")


@dataclass(frozen=True, kw_only=True, slots=True)
class BookedEntry:
    """An entry as the store has it: its row's id and the numbers of its lines."""

    entry_id: int
    entry: Entry
    line_nos: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldUnit:
    """A live pledge_item row, with what the registry says of the unit."""

    pledge_id: str
    goods_id: str
    quantity: Decimal
    unit: str
    registered_quantity: Decimal
    registered_unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccruedRow:
    """An interest_accrual row."""

    entry_id: int
    posted: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Book:
    """Everything that the store keeps of one facility's book."""

    facility_id: str
    entries: Sequence[BookedEntry]
    balance: Balance | None
    held: Sequence[HeldUnit] = ()
    accruals: Sequence[AccruedRow] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedEvent:
    """A receipt_event row, with how its receipt stands (None = there is no such receipt)."""

    receipt_no: str
    event_no: int
    kind: str
    state: str
    happened_at: datetime
    actor: str
    asked_by: str | None
    content: str
    prev_hash: str
    hash: str
    stands: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One row that does not agree with the rest: whose book it is in (a facility, or receipts), table, key of the row, and what is wrong."""

    book: str
    table: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.book}: {self.table} {self.row}: {self.what}"


def faults(book: Book) -> list[Fault]:
    """Every row at fault, in the order of the book. Empty = the book is sound."""
    found = [*_chain(book), *_corrections(book), *_balance(book), *_goods(book), *_accruals(book)]
    return list(dict.fromkeys(found))


def _chain(book: Book) -> Iterator[Fault]:
    number, head = 0, GENESIS
    for place, booked in enumerate(book.entries):
        entry = booked.entry
        for missing in range(number + 1, min(entry.entry_no, number + 101)):
            yield _fault(book, "ledger_entry", f"no {missing}", "is missing: the numbers have a hole")
        content = entry_hash(entry)
        following = _next_link(book, place)
        if entry.prev_hash != head and entry.entry_no == number + 1 and content != entry.hash:
            mended = replace(entry, prev_hash=head)
            if entry_hash(mended) == entry.hash:
                yield _fault(book, "ledger_entry", _row(booked), f"prev_hash was {head or 'empty'}, it is {entry.prev_hash or 'empty'} now")
                number, head = entry.entry_no, entry.hash
                continue
        if content != entry.hash:
            if following == content:
                yield _fault(book, "ledger_entry", _row(booked), f"hash was {content}, it is {entry.hash} now")
            else:
                yield from _altered(book, booked, following)
        elif entry.prev_hash != head and entry.entry_no == number + 1:
            yield _fault(book, "ledger_entry", _row(booked), "was put in or sealed anew: it does not name the hash of the entry before it")
        elif following is not None and following != entry.hash:
            yield _fault(
                book, "ledger_entry", _row(booked), f"was sealed anew: what follows it names {following}, its hash is {entry.hash}"
            )
        for unit, off in sums(entry.postings).items():
            if off != 0:
                yield _fault(book, "ledger_entry", _row(booked), f"its lines are off by {off} {unit}")
        number, head = entry.entry_no, entry.hash


def _next_link(book: Book, place: int) -> str | None:
    """The hash that the entry after this one names; of the last, the one kept with the balance. None when that entry is missing."""
    if place + 1 < len(book.entries):
        later = book.entries[place + 1].entry
        return later.prev_hash if later.entry_no == book.entries[place].entry.entry_no + 1 else None
    if book.balance is not None and book.balance.last_entry_no == book.entries[place].entry.entry_no:
        return book.balance.last_hash
    return None


def _altered(book: Book, booked: BookedEntry, following: str | None) -> Iterator[Fault]:
    entry = booked.entry
    wanted = {entry.hash} | ({following} if following else set())
    for line, what, lines in islice(_single_changes(booked, book), max(200, _TRIED_LINES_MAX // (len(entry.postings) + 1))):
        if entry_hash(replace(entry, postings=lines)) in wanted:
            yield _fault(book, "ledger_posting", f"{booked.entry_id}/{line} (entry {entry.entry_no})", what)
            return
    lines_text = ", ".join(f"{booked.entry_id}/{n}" for n in booked.line_nos) or "none is left"
    yield _fault(
        book,
        "ledger_entry",
        _row(booked),
        f"its content does not give its hash: this row or several of its lines ({lines_text}) were changed",
    )


def _single_changes(booked: BookedEntry, book: Book) -> Iterator[tuple[int, str, tuple[Posting, ...]]]:
    """(line number, what was done to it, lines as they may have been) for each single change; lines that stand out come first."""
    lines = booked.entry.postings
    accounts = MONEY_ACCOUNTS + STOCK_ACCOUNTS
    off = sums(lines)
    units = sorted(off)
    goods = sorted(_uneven_goods(lines))

    def changed(i: int, **values: object) -> tuple[Posting, ...]:
        return (*lines[:i], replace(lines[i], **values), *lines[i + 1 :])  # type: ignore[arg-type]

    for i in _suspects_first(lines):
        line, no = lines[i], booked.line_nos[i]
        if off[line.unit] != 0:
            was = line.amount - off[line.unit]
            yield no, f"amount was {_plain(was)}, it is {_plain(line.amount)} now", changed(i, amount=was)
            yield no, "was put in: without it the entry gives its hash", (*lines[:i], *lines[i + 1 :])
        for account in accounts:
            if account != line.account:
                yield no, f"account was {account}, it is {line.account} now", changed(i, account=account)
        for unit in {*units, book.balance.currency if book.balance else "", "kg", "t", "piece"} - {line.unit, ""}:
            yield no, f"unit was {unit}, it is {line.unit} now", changed(i, unit=unit)
        for goods_id in goods:
            if goods_id != line.goods_id and line.account.startswith("stock:"):
                yield no, f"goods_id was {goods_id}, it is {line.goods_id} now", changed(i, goods_id=goods_id)
    for unit, amount in off.items():
        if amount == 0:
            continue
        present = set(booked.line_nos)
        for at in range(len(lines) + 1):
            no = next(n for n in range(at + 1, len(lines) + 2) if n not in present)
            for account in accounts:
                for of_unit in (None, *goods) if account in STOCK_ACCOUNTS else (None,):
                    was_line = Posting(account=account, amount=-amount, unit=unit, goods_id=of_unit)
                    yield no, f"is missing: {account} {_plain(-amount)} {unit}", (*lines[:at], was_line, *lines[at:])


def _uneven_goods(lines: Sequence[Posting]) -> set[str]:
    """Units that these lines do not conserve."""
    net: dict[tuple[str, str], Decimal] = {}
    for p in lines:
        if p.goods_id is not None:
            net[p.goods_id, p.unit] = net.get((p.goods_id, p.unit), Decimal(0)) + p.amount
    return {goods_id for (goods_id, _), off in net.items() if off != 0}


def _suspects_first(lines: Sequence[Posting]) -> list[int]:
    """Places of the lines: first those of a unit that is not conserved, then those that do what few others of the entry do."""
    uneven = _uneven_goods(lines)
    like = Counter((p.account, p.amount > 0, p.unit) for p in lines)
    return sorted(
        range(len(lines)), key=lambda i: (lines[i].goods_id not in uneven, like[lines[i].account, lines[i].amount > 0, lines[i].unit])
    )


def _corrections(book: Book) -> Iterator[Fault]:
    by_id = {b.entry_id: b.entry for b in book.entries}
    for booked in book.entries:
        if booked.entry.corrects is None:
            continue
        corrected = by_id.get(booked.entry.corrects)
        if corrected is None:
            yield _fault(book, "ledger_entry", _row(booked), f"corrects row {booked.entry.corrects}, which this book does not have")
        elif _net(booked.entry.postings) != _net(reversed_postings(corrected.postings)):
            yield _fault(book, "ledger_entry", _row(booked), f"does not undo entry {corrected.entry_no}, which it corrects")


def _net(postings: Iterable[Posting]) -> dict[tuple[str, str, str | None], Decimal]:
    total: dict[tuple[str, str, str | None], Decimal] = {}
    for p in postings:
        key = (p.account, p.unit, p.goods_id)
        total[key] = total.get(key, Decimal(0)) + p.amount
    return {k: v for k, v in total.items() if v != 0}


def _balance(book: Book) -> Iterator[Fault]:
    if book.balance is None:
        yield _fault(book, "facility_balance", book.facility_id, "is missing")
        return
    zero = Decimal(0)
    replayed = replace(book.balance, principal=zero, interest=zero, fees=zero, cash_margin=zero, last_entry_no=0, last_hash=GENESIS)
    for booked in book.entries:
        replayed = replace(after(replayed, booked.entry.postings), last_entry_no=booked.entry.entry_no, last_hash=booked.entry.hash)
        for account in _KEPT[:4]:
            if getattr(replayed, account) < 0:
                yield _fault(book, "ledger_entry", _row(booked), f"takes {account} below zero: {getattr(replayed, account)}")
    for name in _KEPT:
        kept, sound = getattr(book.balance, name), getattr(replayed, name)
        if kept != sound:
            yield _fault(book, "facility_balance", book.facility_id, f"{name} is {kept}, the journal gives {sound}")


def _goods(book: Book) -> Iterator[Fault]:
    """Per unit: every entry takes from one stock account what it gives to another, none goes below zero, and what is pledged is what is held."""
    standing: dict[str, dict[tuple[str, str], Decimal]] = {}
    for booked in book.entries:
        moved: dict[str, dict[str, Decimal]] = {}
        for no, p in zip(booked.line_nos, booked.entry.postings, strict=True):
            if not p.account.startswith("stock:"):
                continue
            row = f"{booked.entry_id}/{no} (entry {booked.entry.entry_no})"
            if p.goods_id is None:
                yield _fault(book, "ledger_posting", row, "moves goods and names none")
                continue
            accounts = standing.setdefault(p.goods_id, {})
            key = (p.account, p.unit)
            accounts[key] = accounts.get(key, Decimal(0)) + p.amount
            units = moved.setdefault(p.goods_id, {})
            units[p.unit] = units.get(p.unit, Decimal(0)) + p.amount
            if p.account != "stock:free" and p.amount < 0 and accounts[key] < 0:
                yield _fault(book, "ledger_posting", row, f"takes {p.account} of {p.goods_id} below zero: {_plain(accounts[key])} {p.unit}")
        for goods_id, units in moved.items():
            for unit, off in units.items():
                if off != 0:
                    yield _fault(book, "ledger_entry", _row(booked), f"does not conserve {goods_id}: off by {_plain(off)} {unit}")
    yield from _held(book, standing)


def _held(book: Book, standing: Mapping[str, Mapping[tuple[str, str], Decimal]]) -> Iterator[Fault]:
    pledged = {g: {u: q for (a, u), q in accounts.items() if a == "stock:pledged" and q != 0} for g, accounts in standing.items()}
    for item in book.held:
        row = f"{item.pledge_id}/{item.goods_id}"
        said = pledged.pop(item.goods_id, {})
        if said != {item.unit: item.quantity}:
            journal = " and ".join(f"{_plain(q)} {u}" for u, q in said.items()) or "nothing"
            yield _fault(
                book, "pledge_item", row, f"holds {_plain(item.quantity)} {item.unit}, the journal has {journal} of it under this facility"
            )
        if (item.registered_quantity, item.registered_unit) != (item.quantity, item.unit):
            registered = f"{_plain(item.registered_quantity)} {item.registered_unit}"
            yield _fault(book, "goods_unit", item.goods_id, f"is {registered}, pledged were {_plain(item.quantity)} {item.unit}")
    for goods_id, units in sorted(pledged.items()):
        for unit, quantity in units.items():
            yield _fault(
                book, "pledge_item", f"?/{goods_id}", f"the journal holds {_plain(quantity)} {unit} pledged, no live pledge has the unit"
            )


def _accruals(book: Book) -> Iterator[Fault]:
    by_id = {b.entry_id: b.entry for b in book.entries}
    for row in book.accruals:
        entry = by_id.get(row.entry_id)
        if entry is None:
            yield _fault(book, "interest_accrual", str(row.entry_id), "its entry is not in this facility's book")
            continue
        posted = sum((p.amount for p in entry.postings if p.account == "interest"), Decimal(0))
        if posted != row.posted:
            what = f"says {row.posted} was posted, entry {entry.entry_no} posts {_plain(posted)}"
            yield _fault(book, "interest_accrual", str(row.entry_id), what)


def receipt_faults(events: Sequence[SealedEvent]) -> list[Fault]:
    """Every row at fault in the chains of receipts; events in the order of receipt and number."""
    found: list[Fault] = []
    number, head = 0, GENESIS
    for place, event in enumerate(events):
        if place == 0 or events[place - 1].receipt_no != event.receipt_no:
            number, head = 0, GENESIS
        row = f"{event.receipt_no}/{event.event_no}"
        for missing in range(number + 1, event.event_no):
            found.append(Fault(book="receipts", table="receipt_event", row=f"{event.receipt_no}/{missing}", what="is missing"))
        wrong = [f"{name} is {is_now}, its sealed content says {said}" for name, is_now, said in _unlike_content(event)]
        if hashlib.sha256((event.prev_hash + event.content).encode()).hexdigest() != event.hash:
            wrong.append("its content does not give its hash")
        if event.prev_hash != head and event.event_no == number + 1:
            wrong.append("does not name the hash of the event before it: this row or the one before was changed")
        last = place + 1 == len(events) or events[place + 1].receipt_no != event.receipt_no
        found += [Fault(book="receipts", table="receipt_event", row=row, what=what) for what in wrong]
        if last and event.stands != event.state:
            what = f"is {event.stands or 'gone'}, its last event left it {event.state}"
            found.append(Fault(book="receipts", table="warehouse_receipt", row=event.receipt_no, what=what))
        number, head = event.event_no, event.hash
    return found


def _unlike_content(event: SealedEvent) -> Iterator[tuple[str, object, object]]:
    said = json.loads(event.content)
    for name in ("receipt_no", "event_no", "kind", "state", "actor", "asked_by"):
        if said.get(name) != getattr(event, name):
            yield name, getattr(event, name), said.get(name)
    if datetime.fromisoformat(said["happened_at"]) != event.happened_at:
        yield "happened_at", event.happened_at.isoformat(), said["happened_at"]


def _row(booked: BookedEntry) -> str:
    return f"{booked.entry_id} (entry {booked.entry.entry_no})"


def _fault(book: Book, table: str, row: str, what: str) -> Fault:
    return Fault(book=book.facility_id, table=table, row=row, what=what)


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
