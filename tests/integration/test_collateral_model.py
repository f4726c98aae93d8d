"""Random commands of a bank's day against a model that fits on a page: no double lien, goods and money conserve, the chain verifies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import psycopg
import pytest
from collateral_actions import SIGNER
from collateral_world import NOW, TENANT, World, build_world, facility
from conftest import TEMPLATE, database_at, drop_database
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from collateral import facility_service as facilities
from collateral import ledger_service
from collateral.commands import CashKind, CashMovement, CreatePledge, RequestRelease
from collateral.errors import AlreadyPledged, ChuantouError, EntryConflict, SamePersonRefused, Shortfall, WrongState
from collateral.model import Outcome, ReleaseOrder
from collateral.valuation_service import position
from db.pool import open_pool

EXAMPLES, STEPS = 10, 30
FACILITIES = ("F-1", "F-2")
PEOPLE = ("ann", "bo", "cy", "di")
UNITS = 9
COIL = Decimal(20)
PRICE, ADVANCE = Decimal(4000), Decimal("0.70")
WARNING = Decimal("0.82") / ADVANCE + Decimal("0.72") * (1 / ADVANCE - Decimal("0.82") / ADVANCE)
CENTS = st.integers(1, 40_000_000).map(lambda n: Decimal(n) / 100)
PERSON = st.sampled_from(PEOPLE)
FACILITY = st.sampled_from(FACILITIES)
GOODS = st.lists(st.integers(0, UNITS - 1), min_size=1, max_size=4, unique=True)


@dataclass
class Loan:
    """What a facility owes and holds, by the model."""

    principal: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    held: dict[int, str] = field(default_factory=dict)  # unit -> pledge
    going: dict[int, str] = field(default_factory=dict)  # unit -> issued order
    entries: int = 0

    @property
    def exposure(self) -> Decimal:
        return self.principal + self.fees - self.margin

    @property
    def value(self) -> Decimal:
        return (len(self.held) - len(self.going)) * COIL * PRICE


@dataclass
class Order:
    """A release order by the model."""

    facility_id: str
    goods: frozenset[int]
    people: list[str]
    status: str = "REQUESTED"
    out: set[int] = field(default_factory=set)


@dataclass
class Draft:
    """A pledge that waits for its second person."""

    facility_id: str
    goods: tuple[int, ...]
    maker: str
    active: bool = False


def twin(unit: int) -> int:
    """Units 7 and 8 are the same coil under two ids."""
    return min(unit, 7)


class BankDay(RuleBasedStateMachine):
    """Two facilities, nine units of which two are one coil, four people who may do everything."""

    world: World

    @initialize()
    def open(self) -> None:
        self.loans = {f: Loan() for f in FACILITIES}
        self.drafts: dict[str, Draft] = {}
        self.orders: dict[str, Order] = {}
        self.keys: dict[str, tuple[str, CashKind, Decimal]] = {}
        self.gone: set[int] = set()
        self.refusals = 0
        self.now: datetime = NOW
        self.ids = self.world.coils(0, UNITS - 1)
        self.ids += self.world.coils(UNITS - 1, 1, piece_no=str(UNITS - 2))
        self.offer("F-1", [0, 1, 2, 3], "ann")
        self.judge(next(iter(self.drafts)), "bo")
        self.pay("F-1", CashKind.DRAWDOWN, Decimal(100_000))

    def tick(self) -> datetime:
        self.now += timedelta(seconds=30)
        return self.now

    def does(self, act: Callable[[], Any], *, expect: type[ChuantouError] | None) -> Any:
        """The command ends as the model says: done, or refused with this error."""
        if expect is None:
            return act()
        with pytest.raises(expect):
            act()
        return None

    # ------------------------------------------------------------ pledges

    @rule(facility_id=FACILITY, goods=GOODS, maker=PERSON)
    def offer(self, facility_id: str, goods: list[int], maker: str) -> None:
        command = CreatePledge(tenant_id=TENANT, facility_id=facility_id, goods_ids=tuple(self.ids[g] for g in goods))
        made = facilities.create_pledge(self.world.pool, command, maker, self.tick())
        self.drafts[made.pledge_id] = Draft(facility_id, tuple(goods), maker)

    @precondition(lambda self: self.drafts)
    @rule(data=st.data(), who=PERSON)
    def approve(self, data: st.DataObject, who: str) -> None:
        waiting = [p for p, d in self.drafts.items() if not d.active]
        self.judge(data.draw(st.sampled_from(waiting or list(self.drafts)), label="pledge"), who)

    @rule(facility_id=FACILITY, goods=GOODS)
    def pledge_by_two(self, facility_id: str, goods: list[int]) -> None:
        self.offer(facility_id, goods, "cy")
        self.judge(list(self.drafts)[-1], "di")

    def judge(self, pledge_id: str, who: str) -> None:
        draft = self.drafts[pledge_id]
        taken = {twin(g) for loan in self.loans.values() for g in loan.held}
        expect: type[ChuantouError] | None = None
        if draft.active:
            expect = WrongState
        elif draft.maker == who:
            expect = SamePersonRefused
        elif self.gone & set(draft.goods):
            expect = WrongState
        elif taken & {twin(g) for g in draft.goods} or len({twin(g) for g in draft.goods}) < len(draft.goods):
            expect = AlreadyPledged
            self.refusals += 1
        self.does(lambda: facilities.approve_pledge(self.world.pool, TENANT, pledge_id, who, self.tick()), expect=expect)
        if expect is None:
            loan = self.loans[draft.facility_id]
            draft.active = True
            loan.held |= dict.fromkeys(draft.goods, pledge_id)
            loan.entries += 1

    # ------------------------------------------------------------ money

    def post(self, facility_id: str, kind: CashKind, amount: Decimal, key: str, expect: type[ChuantouError] | None) -> Any:
        command = CashMovement(
            tenant_id=TENANT, facility_id=facility_id, kind=kind, amount=amount, currency="CNY", reason="model", idempotency_key=key
        )
        return self.does(lambda: facilities.post_cash(self.world.pool, command, "ann", self.tick()), expect=expect)

    @rule(facility_id=FACILITY, kind=st.sampled_from([CashKind.DRAWDOWN, *CashKind]), amount=CENTS)
    def pay(self, facility_id: str, kind: CashKind, amount: Decimal) -> None:
        loan, key = self.loans[facility_id], f"key-{len(self.keys)}"
        short = {
            CashKind.DRAWDOWN: amount > loan.value * ADVANCE - loan.exposure,
            CashKind.MARGIN_RETURN: amount > loan.margin or amount > loan.value * ADVANCE - loan.exposure,
            CashKind.REPAYMENT: amount > loan.principal + loan.fees,
        }.get(kind, False)
        done = self.post(facility_id, kind, amount, key, Shortfall if short else None)
        if short:
            return
        assert done.outcome is Outcome.RECORDED
        self.keys[key] = (facility_id, kind, amount)
        loan.entries += 1
        match kind:
            case CashKind.DRAWDOWN:
                loan.principal += amount
            case CashKind.INTEREST | CashKind.FEE:
                loan.fees += amount
            case CashKind.MARGIN_DEPOSIT:
                loan.margin += amount
            case CashKind.MARGIN_RETURN:
                loan.margin -= amount
            case CashKind.REPAYMENT:
                of_fees = min(amount, loan.fees)
                loan.fees -= of_fees
                loan.principal -= amount - of_fees

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def pay_again(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys)), label="key")
        facility_id, kind, amount = self.keys[key]
        assert self.post(facility_id, kind, amount, key, None).outcome is Outcome.REPEATED
        self.post(facility_id, kind, amount + 1, key, EntryConflict)

    # ------------------------------------------------------------ releases

    def open_order_of(self, unit: int) -> Order | None:
        live = (o for o in self.orders.values() if o.status not in ("CANCELLED", "GATED_OUT") and unit in o.goods - o.out)
        return next(live, None)

    def free(self, facility_id: str) -> list[int]:
        return [g for g in sorted(self.loans[facility_id].held) if self.open_order_of(g) is None]

    @precondition(lambda self: any(self.free(f) for f in FACILITIES))
    @rule(data=st.data(), who=PERSON, stray=st.integers(0, 9))
    def ask(self, data: st.DataObject, who: str, stray: int) -> None:
        facility_id = data.draw(st.sampled_from([f for f in FACILITIES if self.free(f)]), label="facility")
        loan = self.loans[facility_id]
        candidates = list(range(UNITS)) if stray == 9 else self.free(facility_id)
        goods: list[int] = data.draw(st.lists(st.sampled_from(candidates), min_size=1, max_size=2, unique=True), label="goods")
        wrong = any(g not in loan.held or self.open_order_of(g) for g in goods)
        now = self.tick()
        command = RequestRelease(
            tenant_id=TENANT,
            facility_id=facility_id,
            goods_ids=tuple(self.ids[g] for g in goods),
            vehicle_plate="沪A12345",
            driver_id="D",
            valid_from=now,
            valid_to=now + timedelta(hours=20),
            reason="model",
        )
        made = self.does(lambda: facilities.request_release(self.world.pool, command, who, now), expect=WrongState if wrong else None)
        if made is not None:
            self.orders[made.release_id] = Order(facility_id, frozenset(goods), [who])

    @precondition(lambda self: any(o.status in ("REQUESTED", "MAKER_OK", "CHECKER_OK") for o in self.orders.values()))
    @rule(data=st.data(), who=PERSON)
    def sign(self, data: st.DataObject, who: str) -> None:
        self.one_signature(data.draw(st.sampled_from(self.waiting()), label="order"), who)

    @precondition(lambda self: any(o.status in ("REQUESTED", "MAKER_OK", "CHECKER_OK") for o in self.orders.values()))
    @rule(data=st.data())
    def sign_through(self, data: st.DataObject) -> None:
        """Everybody who has not signed yet does, until the order is issued or refused."""
        release_id = data.draw(st.sampled_from(self.waiting()), label="order")
        for who in PEOPLE:
            if release_id in self.waiting() and who not in self.orders[release_id].people:
                self.one_signature(release_id, who)

    def waiting(self) -> list[str]:
        return [r for r, o in self.orders.items() if o.status in ("REQUESTED", "MAKER_OK", "CHECKER_OK")]

    def one_signature(self, release_id: str, who: str) -> None:
        order = self.orders[release_id]
        loan = self.loans[order.facility_id]
        after = loan.value - len(order.goods) * COIL * PRICE
        expect: type[ChuantouError] | None = None
        if who in order.people:
            expect = SamePersonRefused
        elif order.status != "REQUESTED" and loan.exposure > 0 and after * ADVANCE < loan.exposure:
            expect = Shortfall
        signed: ReleaseOrder | None = self.does(lambda: self.signature(release_id, order.status, who), expect=expect)
        if signed is None:
            return
        order.people.append(who)
        if order.status == "CHECKER_OK":
            assert signed.status == "ISSUED"
        lately = sum(
            len(o.goods)
            for o in self.orders.values()
            if o.facility_id == order.facility_id and o.status in ("ISSUED", "PICKING", "GATED_OUT")
        )
        large = (len(order.goods) + lately) * COIL * PRICE * 10 > loan.value
        thin = loan.exposure > 0 and after / loan.exposure < WARNING
        assert signed.needs_second_checker or not (large or thin)
        if order.status == "MAKER_OK":
            assert (signed.status == "ISSUED") is not signed.needs_second_checker
        order.status = signed.status
        assert (signed.pickup_code is not None) is (order.status == "ISSUED")
        if order.status == "ISSUED":
            loan.going |= dict.fromkeys(order.goods, release_id)

    def signature(self, release_id: str, status: str, who: str) -> ReleaseOrder:
        pool, now = self.world.pool, self.tick()
        match status:
            case "REQUESTED":
                return facilities.approve_release_as_maker(pool, TENANT, release_id, who, now)
            case "MAKER_OK":
                return facilities.approve_release_as_checker(pool, TENANT, release_id, who, now, signer=SIGNER)
            case _:
                return facilities.approve_release_as_second_checker(pool, TENANT, release_id, who, now, signer=SIGNER)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), who=PERSON)
    def call_off(self, data: st.DataObject, who: str) -> None:
        release_id = data.draw(st.sampled_from(list(self.orders)), label="order")
        order = self.orders[release_id]
        wrong = order.status in ("CANCELLED", "GATED_OUT") or bool(order.out)
        self.does(
            lambda: facilities.cancel_release(self.world.pool, TENANT, release_id, who, self.tick()), expect=WrongState if wrong else None
        )
        if not wrong:
            order.status = "CANCELLED"
            self.loans[order.facility_id].going = {g: r for g, r in self.loans[order.facility_id].going.items() if r != release_id}

    @rule(unit=st.integers(0, UNITS - 1))
    def leaves_without_a_question(self, unit: int) -> None:
        self.leaves(unit)

    @precondition(lambda self: any(loan.going for loan in self.loans.values()))
    @rule(data=st.data())
    def is_collected(self, data: st.DataObject) -> None:
        self.leaves(data.draw(st.sampled_from(sorted({g for loan in self.loans.values() for g in loan.going})), label="unit"))

    def leaves(self, unit: int) -> None:
        """A gate reads a unit going out: it settles exactly when an issued order covers it, and once."""
        now = self.tick()
        covering = next((f for f, loan in self.loans.items() if unit in loan.going), None)
        settled = facilities.record_gate_out(self.world.pool, self.ids[unit], now, now)
        assert (settled is None) is (covering is None)
        if covering is None or settled is None:
            return
        assert facilities.record_gate_out(self.world.pool, self.ids[unit], now, now) == settled
        loan = self.loans[covering]
        order = self.orders[loan.going.pop(unit)]
        loan.held.pop(unit)
        loan.entries += 1
        order.out.add(unit)
        order.status = "GATED_OUT" if order.out == order.goods else "PICKING"
        self.gone.add(unit)
        assert settled.status == order.status

    # ------------------------------------------------------------ what always holds

    @invariant()
    def no_double_lien(self) -> None:
        with self.world.pool.connection() as conn:
            live = conn.execute("SELECT facility_id, goods_id, identity_key FROM pledge_item WHERE released_at IS NULL").fetchall()
        assert len({row[2] for row in live}) == len(live)
        assert {(f, g) for f, g, _ in live} == {(f, self.ids[g]) for f, loan in self.loans.items() for g in loan.held}

    @invariant()
    def money_conserves(self) -> None:
        with self.world.pool.connection() as conn:
            kept = conn.execute(
                "SELECT facility_id, principal, interest + fees, cash_margin, last_entry_no FROM facility_balance ORDER BY facility_id"
            ).fetchall()
            off = conn.execute("SELECT unit FROM ledger_posting GROUP BY unit HAVING sum(amount) <> 0").fetchall()
        assert kept == [(f, loan.principal, loan.fees, loan.margin, loan.entries) for f, loan in sorted(self.loans.items())]
        assert off == []

    @invariant()
    def goods_conserve(self) -> None:
        with self.world.pool.connection() as conn:
            stock = conn.execute(
                """SELECT e.facility_id, p.goods_id, sum(p.amount) FROM ledger_posting p JOIN ledger_entry e USING (entry_id)
                    WHERE p.account = 'stock:pledged' GROUP BY 1, 2 HAVING sum(p.amount) <> 0"""
            ).fetchall()
        assert {(f, g): q for f, g, q in stock} == {(f, self.ids[g]): COIL for f, loan in self.loans.items() for g in loan.held}

    @invariant()
    def position_is_the_models(self) -> None:
        for facility_id, loan in self.loans.items():
            p = position(self.world.pool, facility_id, self.now)
            assert (p.collateral_value, p.exposure) == (loan.value, loan.exposure)

    @invariant()
    def refusals_are_kept(self) -> None:
        assert self.world.scalar("SELECT count(*) FROM refused_command") == self.refusals

    def teardown(self) -> None:
        if hasattr(self, "loans"):
            assert ledger_service.verify_all_chains(self.world.pool) == {}


@contextmanager
def prepared(admin_url: str) -> Iterator[Callable[[], World]]:
    """Makes worlds: each a clone of one prepared database."""
    names: list[str] = []
    pools = []

    def clone(template: str) -> Any:
        names.append(f"model{os.getpid()}_{len(names)}")
        with psycopg.connect(admin_url, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {names[-1]} TEMPLATE {template}".encode())
        pools.append(open_pool(database_at(admin_url, names[-1]), name="model", size_max=2))
        return pools[-1]

    first = clone(TEMPLATE)
    world = build_world(first, with_facility=True)
    facilities.open_facility(world.pool, facility("F-2"), "loader", NOW)
    first.close()
    ready = names[0]

    def fresh() -> World:
        while len(pools) > 1:
            pools.pop().close()
        return World(clone(ready))

    try:
        yield fresh
    finally:
        for pool in pools:
            pool.close()
        for name in names:
            drop_database(admin_url, name)


def test_random_days_end_as_the_model_says(postgres: Any) -> None:
    """Bounded by examples and steps, and a failure is told as it was found: shrinking it would take minutes."""
    with prepared(postgres.admin_url) as fresh:

        class Machine(BankDay):
            def __init__(self) -> None:
                super().__init__()
                self.world = fresh()

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                phases=(Phase.generate,),
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
