"""The registry on a real store: goods in bulk, tags, devices, papers, prices."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from collateral_world import BORROWER, KEEPER, NOW, TENANT, World, build_world

from collateral import registry_service as registry
from collateral.commands import BindTag, GoodsRegistration, MapAntenna, PriceReport, RegisterDevice, RegisterDocument, RegisterTrip
from collateral.credentials import is_secret_of
from collateral.errors import EntryConflict, NotFound, RejectedInput, WrongState
from collateral.model import PriceStatus
from db.pool import Pool


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool)


def coil(i: int, **other: object) -> GoodsRegistration:
    made = GoodsRegistration(
        goods_id=f"HRC-{i:05d}",
        commodity_code="HRC",
        kind="COIL",
        quantity=Decimal("20.123456"),
        unit="t",
        owner_party_id=BORROWER,
        warehouse_id="WH-SH-01",
        zone_id="WH-SH-01/bay-1",
        tag_epc=f"e28011{i:018x}",
        tid=f"e280{i:020x}",
        mill="BAOSTEEL",
        heat_no="H7",
        piece_no=str(i),
    )
    return replace(made, **other)  # type: ignore[arg-type]


def test_five_thousand_tagged_units_arrive_in_one_go(world: World) -> None:
    started = time.perf_counter()
    assert registry.register_goods(world.pool, TENANT, [coil(i) for i in range(5000)], "loader", NOW) == 5000
    print(f"5000 units in {time.perf_counter() - started:.2f} s")
    with world.pool.connection() as conn:
        row = conn.execute("SELECT count(*), sum(quantity), min(identity_key) FROM goods_unit").fetchone()
        assert row == (5000, Decimal("100617.280000"), "BAOSTEEL|H7|0")
        assert conn.execute("SELECT count(*) FROM tag_binding WHERE tag_epc = upper(tag_epc)").fetchone() == (5000,)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"commodity_code": "MOON-DUST"}, "unknown commodity"),
        ({"zone_id": "WH-SH-01/nowhere"}, "unknown zone"),
        ({"quantity": Decimal(0)}, "not greater than 0"),
        ({"unit": "piece"}, "kept in t"),
        ({"owner_party_id": "nobody"}, "unknown parties"),
        ({"warehouse_id": None}, "does not belong"),
        ({"tag_epc": "not an epc!"}, "EPC"),
        ({"vin": "IOQ"}, "store refuses"),
        ({"state": "VANISHED"}, "store refuses"),
    ],
)
def test_one_faulty_unit_stops_the_whole_batch(world: World, change: dict[str, object], word: str) -> None:
    with pytest.raises(RejectedInput, match=word):
        registry.register_goods(world.pool, TENANT, [coil(1), coil(2, **change)], "loader", NOW)
    with world.pool.connection() as conn:
        assert conn.execute("SELECT count(*) FROM goods_unit").fetchone() == (0,)


def test_known_goods_and_taken_tags_are_refused(world: World) -> None:
    registry.register_goods(world.pool, TENANT, [coil(1)], "loader", NOW)
    with pytest.raises(EntryConflict):
        registry.register_goods(world.pool, TENANT, [coil(1)], "loader", NOW)
    with pytest.raises(EntryConflict):
        registry.register_goods(world.pool, TENANT, [coil(2, tag_epc=coil(1).tag_epc)], "loader", NOW)


def test_tag_stands_for_one_unit_at_a_time(world: World) -> None:
    registry.register_goods(world.pool, TENANT, [coil(1), coil(2)], "loader", NOW)
    later = NOW + timedelta(hours=1)
    bind = BindTag(tenant_id=TENANT, goods_id="HRC-00002", tag_epc=str(coil(1).tag_epc))
    with pytest.raises(WrongState, match="HRC-00001"):
        registry.bind_tag(world.pool, bind, "operator", later)
    registry.unbind_tag(world.pool, TENANT, "HRC-00001", str(coil(1).tag_epc), "operator", later)
    registry.bind_tag(world.pool, bind, "operator", later)
    registry.bind_tag(world.pool, bind, "operator", later)
    with pytest.raises(NotFound):
        registry.unbind_tag(world.pool, TENANT, "HRC-00001", str(coil(1).tag_epc), "operator", later)


def test_device_secret_is_shown_once_and_rotates(world: World) -> None:
    command = RegisterDevice(
        device_id="rd-1", tenant_id=TENANT, site="WH-SH-01", warehouse_id="WH-SH-01", device_class="rfid", format="native", name="Bay 1"
    )
    with psycopg.connect(world.pool.conninfo, autocommit=True) as listener:
        listener.execute("LISTEN registry")
        device, credential = registry.register_device(world.pool, command, "devices", NOW)
        assert [n.channel for n in listener.notifies(timeout=5, stop_after=1)] == ["registry"]
    assert credential.username == device.device_id == "rd-1"

    def hashed() -> str | None:
        with world.pool.connection() as conn:
            row = conn.execute("SELECT credential_hash FROM device WHERE device_id = 'rd-1'").fetchone()
            assert row is not None
            return row[0]  # type: ignore[no-any-return]

    assert is_secret_of(str(hashed()), credential.password)
    with pytest.raises(EntryConflict):
        registry.register_device(world.pool, command, "devices", NOW)
    rotated = registry.rotate_device_credential(world.pool, TENANT, "rd-1", "devices", NOW)
    assert is_secret_of(str(hashed()), rotated.password)
    assert not is_secret_of(str(hashed()), credential.password)
    registry.revoke_device_credential(world.pool, TENANT, "rd-1", "devices", NOW)
    assert hashed() is None


def test_antenna_moves_to_another_zone_and_its_past_stays(world: World) -> None:
    command = RegisterDevice(
        device_id="rd-1", tenant_id=TENANT, site="WH-SH-01", warehouse_id="WH-SH-01", device_class="rfid", format="native", name="Bay 1"
    )
    registry.register_device(world.pool, command, "devices", NOW)
    first = MapAntenna(tenant_id=TENANT, device_id="rd-1", antenna=1, zone_id="WH-SH-01/bay-1", valid_from=NOW)
    registry.map_antenna(world.pool, first, "devices", NOW)
    registry.map_antenna(world.pool, first, "devices", NOW)
    registry.map_antenna(world.pool, replace(first, zone_id="WH-SH-01/bay-2", valid_from=NOW + timedelta(days=1)), "devices", NOW)
    with world.pool.connection() as conn:
        rows = conn.execute("SELECT zone_id, valid_from, valid_to FROM antenna_zone ORDER BY valid_from").fetchall()
    assert rows == [("WH-SH-01/bay-1", NOW, NOW + timedelta(days=1)), ("WH-SH-01/bay-2", NOW + timedelta(days=1), None)]
    with pytest.raises(EntryConflict):
        registry.map_antenna(world.pool, replace(first, zone_id="WH-SH-01/bay-2", valid_from=NOW - timedelta(days=1)), "devices", NOW)


def test_paper_is_recorded_repeated_or_conflicting(world: World) -> None:
    registry.register_goods(world.pool, TENANT, [coil(1)], "loader", NOW)
    invoice = RegisterDocument(
        tenant_id=TENANT,
        kind="INVOICE",
        number="31001",
        issuer_party_id=KEEPER,
        issued_at=NOW,
        amount=Decimal("100.10"),
        currency="CNY",
        goods_ids=("HRC-00001",),
    )
    first = registry.register_documents(world.pool, [invoice], "loader", NOW)
    assert registry.register_documents(world.pool, [invoice], "loader", NOW + timedelta(days=1)) == first
    with pytest.raises(EntryConflict):
        registry.register_documents(world.pool, [replace(invoice, amount=Decimal("100.20"))], "loader", NOW)


def test_trip_runs_its_course_and_no_other(world: World) -> None:
    tracker = RegisterDevice(
        device_id="gps-1", tenant_id=TENANT, site="fleet", device_class="gps", format="native", name="Lorry", vehicle_plate="沪A12345"
    )
    registry.register_device(world.pool, tracker, "devices", NOW)
    trip = RegisterTrip(
        tenant_id=TENANT,
        vehicle_plate="沪A12345",
        device_id="gps-1",
        corridor={"type": "LineString", "coordinates": [[121.0, 31.0], [121.5, 31.2]]},
        planned_from=NOW,
        planned_to=NOW + timedelta(hours=5),
    )
    trip_id = registry.register_trip(world.pool, trip, "loader", NOW)
    with pytest.raises(WrongState):
        registry.set_trip_status(world.pool, TENANT, trip_id, "ARRIVED", "loader", NOW)
    registry.set_trip_status(world.pool, TENANT, trip_id, "UNDER_WAY", "loader", NOW)
    registry.set_trip_status(world.pool, TENANT, trip_id, "UNDER_WAY", "loader", NOW)
    registry.set_trip_status(world.pool, TENANT, trip_id, "ARRIVED", "loader", NOW)
    with pytest.raises(RejectedInput):
        registry.register_trip(world.pool, replace(trip, corridor={"type": "Point", "coordinates": [1, 2]}), "loader", NOW)


def brent(source: str, day: str, price: str) -> PriceReport:
    at = datetime.fromisoformat(day).replace(hour=21, tzinfo=UTC)
    return PriceReport(
        commodity_code="BRENT",
        source=source,
        quoted_at=at,
        price=Decimal(price),
        currency="USD",
        unit="bbl",
        tax_inclusive=False,
        synthetic=False,
    )


@pytest.mark.parametrize("primary_first", [True, False])
def test_the_real_brent_fall_of_march_2020_passes_when_the_check_source_saw_it_too(world: World, primary_first: bool) -> None:
    days = [("2020-03-05", "51.29", "51.10"), ("2020-03-06", "45.60", "45.90"), ("2020-03-09", "35.33", "35.60")]
    statuses = []
    for day, primary, check in days:
        pair = [brent("EIA", day, primary), brent("CHECK", day, check)]
        for report in pair if primary_first else pair[::-1]:
            statuses.append(registry.record_prices(world.pool, [report], NOW)[0].status)
    assert statuses[2] is statuses[4] is PriceStatus.QUARANTINED
    with world.pool.connection() as conn:
        assert conn.execute("SELECT count(*) FROM price_quote WHERE status = 'ACCEPTED'").fetchone() == (6,)
    again = registry.record_prices(world.pool, [brent("EIA", "2020-03-09", "35.33")], NOW)[0]
    assert (again.outcome, again.status) == ("REPEATED", PriceStatus.ACCEPTED)
    other = registry.record_prices(world.pool, [brent("EIA", "2020-03-09", "35.34")], NOW)[0]
    assert other.outcome == "CONFLICT"


def test_jump_without_a_second_source_waits_for_a_person(world: World) -> None:
    registry.record_prices(world.pool, [brent("EIA", "2020-03-05", "51.29")], NOW)
    held = registry.record_prices(world.pool, [brent("EIA", "2020-03-06", "41.00")], NOW)[0]
    assert held.status is PriceStatus.QUARANTINED
    used = world.vouch(held.price_id, NOW)
    assert used != held.price_id, "a market quote: the tenant vouches for itself and gets a copy of its own"
    assert world.scalar("SELECT tenant_id FROM price_quote WHERE price_id = %s AND status = 'ACCEPTED'", used) == TENANT
    assert world.scalar("SELECT status FROM price_quote WHERE price_id = %s", held.price_id) == "QUARANTINED"
    with pytest.raises(EntryConflict):
        world.vouch(held.price_id, NOW)


def test_negative_price_is_kept_as_refused(world: World) -> None:
    [result] = registry.record_prices(world.pool, [brent("EIA", "2020-04-20", "-36.98")], NOW)
    assert result.status is PriceStatus.REFUSED
    assert result.reason is not None
    assert result.reason.startswith("not_positive")
