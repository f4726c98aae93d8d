"""The same goods under other papers, other spellings and other tenants."""

from __future__ import annotations

from decimal import Decimal

import pytest
from collateral_actions import OTHER, approved, offered, receipt, rival
from collateral_world import NOW, World, build_world, facility

from collateral import facility_service as facilities
from collateral import registry_service as registry
from collateral.errors import AlreadyPledged, RejectedInput, WrongState
from db.pool import Pool


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def test_receipt_of_another_tenant_or_over_other_goods_cannot_be_named(world: World) -> None:
    rival(world)
    ids = world.coils(1, 3)
    receipt(world, "WR-1", ids[:2])
    with pytest.raises(RejectedInput, match="HRC-00003"):
        offered(world, ids, receipt_no="WR-1")
    with pytest.raises(RejectedInput, match="WR-404"):
        offered(world, ids[:2], receipt_no="WR-404")
    foreign = registry.GoodsRegistration(
        goods_id="R-1", commodity_code="HRC", kind="COIL", quantity=Decimal(1), unit="t", owner_party_id="R-TRADER"
    )
    registry.register_goods(world.pool, OTHER, [foreign], "loader", NOW)
    with pytest.raises(RejectedInput, match="WR-1"):
        offered(world, ["R-1"], "F-R", "WR-1", OTHER)
    assert approved(world, offered(world, ids[:2], receipt_no="WR-1")).status == "ACTIVE"


@pytest.mark.parametrize("paper_first", [True, False])
def test_receipt_pledged_to_one_loan_and_its_goods_to_another_is_a_double_pledge(world: World, paper_first: bool) -> None:
    facilities.open_facility(world.pool, facility("F-2"), "loader", NOW)
    ids = world.coils(1, 2)
    receipt(world, "WR-1", ids)
    by_paper, by_goods = offered(world, ids[:1], "F-1", "WR-1"), offered(world, ids[1:], "F-2")
    first, second = (by_paper, by_goods) if paper_first else (by_goods, by_paper)
    approved(world, first)
    with pytest.raises(AlreadyPledged) as refused:
        approved(world, second)
    assert (refused.value.details["matched_by"], refused.value.details["other_pledge_id"]) == ("receipt_no", first.pledge_id)
    assert world.scalar("SELECT count(*) FROM refused_command") == 1
    assert world.scalar("SELECT count(*) FROM pledge_item WHERE released_at IS NULL") == 1


def test_frozen_receipt_secures_nothing(world: World) -> None:
    ids = world.coils(1, 1)
    receipt(world, "WR-1", ids, state="FROZEN")
    with pytest.raises(WrongState, match="FROZEN"):
        approved(world, offered(world, ids, receipt_no="WR-1"))


def test_another_tenants_pledge_is_told_without_its_names(world: World) -> None:
    rival(world)
    world.pledged(world.coils(1, 1))
    twin = registry.GoodsRegistration(
        goods_id="R-1", commodity_code="HRC", kind="COIL", quantity=Decimal(1), unit="t", owner_party_id="R-TRADER",
        mill="BAOSTEEL", heat_no="H7", piece_no="1",
    )  # fmt: skip
    registry.register_goods(world.pool, OTHER, [twin], "loader", NOW)
    with pytest.raises(AlreadyPledged) as refused:
        approved(world, offered(world, ["R-1"], "F-R", tenant_id=OTHER))
    said = f"{refused.value} {refused.value.details} {world.scalar('SELECT detail::text FROM refused_command')}"
    assert "F-1" not in said
    assert "HRC-00001" not in said
    assert refused.value.details["matched_by"] == "identity_key"


@pytest.mark.parametrize("written", [{"mill": " BaoSteel "}, {"heat_no": "H 7"}, {"piece_no": "１"}])
def test_spaces_and_wide_letters_do_not_make_another_coil(world: World, written: dict[str, str]) -> None:
    world.pledged(world.coils(1, 1))
    with pytest.raises(AlreadyPledged):
        approved(world, offered(world, world.coils(2, 1, **{"piece_no": "1", **written})))


def test_blank_identities_are_no_identity(world: World) -> None:
    world.pledged(world.coils(1, 2, mill="", heat_no=" ", piece_no=""))
    assert world.scalar("SELECT count(*) FROM pledge_item WHERE released_at IS NULL AND identity_key IS NULL") == 2


def test_goods_are_not_born_pledged_or_gone(world: World) -> None:
    for state in ("PLEDGED", "RELEASE_APPROVED", "GATED_OUT", "DELIVERED"):
        with pytest.raises(RejectedInput, match=state):
            world.coils(1, 1, state=state)
