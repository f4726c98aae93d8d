"""Companies of the sample world. All are made up and say so; their credit codes pass the check of GB 32100."""

from __future__ import annotations

from stdnum.cn import uscc

from simulators.world.model import Party
from simulators.world.seeds import stream

_ORG_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_DISTRICTS = {"SH": "310115", "BS": "310113", "JD": "310114", "JS": "310116", "SZ": "320505"}

LENDER_A, LENDER_B = "P-BANK-JIANGWAN", "P-BANK-HUTING"
STEEL_TRADER, METAL_TRADER, OIL_TRADER, CAR_DEALER = "P-SHENGTAI-STEEL", "P-YUANHENG-METALS", "P-HAICHUAN-ENERGY", "P-ANJIA-AUTO"
STEEL_MILL, REBAR_MILL, SMELTER_AL, SMELTER_CU = "P-LUOJIANG-MILL", "P-TAIHU-MILL", "P-LONGMEN-ALUMINIUM", "P-QINGSHAN-COPPER"
REFINERY, CAR_MAKER = "P-DONGHAI-REFINING", "P-XINGCHEN-MOTORS"
CARRIER_A, CARRIER_B = "P-HUSU-HAULAGE", "P-GANGLIAN-LOGISTICS"
BUYER_A, BUYER_B = "P-KUNXIN-PROCESSING", "P-MINTAI-CABLE"
MANAGER = "P-HENGXIN-CONTROL"
OPERATORS = {"WH-SH-01": "P-BAOLUO-YARD", "WH-SH-02": "P-WAIGANG-STORE", "WH-SH-03": "P-JINCAO-TANKS", "WH-SH-04": "P-ANTING-PARK"}

_PARTIES: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    (LENDER_A, "Jiangwan Bank", "江湾银行", ("LENDER",), "SH"),
    (LENDER_B, "Huting Bank", "沪汀银行", ("LENDER",), "SH"),
    (STEEL_TRADER, "Shengtai Steel Trading", "盛泰钢材贸易", ("BORROWER", "DEPOSITOR"), "BS"),
    (METAL_TRADER, "Yuanheng Metals", "远衡金属", ("BORROWER", "DEPOSITOR"), "SH"),
    (OIL_TRADER, "Haichuan Energy", "海川能源", ("BORROWER", "DEPOSITOR"), "JS"),
    (CAR_DEALER, "Anjia Auto Sales", "安嘉汽车销售", ("BORROWER", "DEPOSITOR"), "JD"),
    (STEEL_MILL, "Luojiang Flat Steel", "罗江板材", ("CORE_ENTERPRISE", "COUNTERPARTY"), "BS"),
    (REBAR_MILL, "Taihu Long Products", "太湖长材", ("CORE_ENTERPRISE", "COUNTERPARTY"), "SZ"),
    (SMELTER_AL, "Longmen Aluminium", "龙门铝业", ("COUNTERPARTY",), "SZ"),
    (SMELTER_CU, "Qingshan Copper", "青杉铜业", ("COUNTERPARTY",), "SZ"),
    (REFINERY, "Donghai Refining", "东海炼化", ("CORE_ENTERPRISE", "COUNTERPARTY"), "JS"),
    (CAR_MAKER, "Xingchen Motors", "星辰汽车", ("CORE_ENTERPRISE", "COUNTERPARTY"), "JD"),
    (CARRIER_A, "Husu Haulage", "沪苏运输", ("CARRIER",), "BS"),
    (CARRIER_B, "Ganglian Logistics", "港联物流", ("CARRIER",), "SH"),
    (BUYER_A, "Kunxin Steel Processing", "昆鑫钢材加工", ("COUNTERPARTY", "PANEL_BUYER"), "SZ"),
    (BUYER_B, "Mintai Cable", "闵泰线缆", ("COUNTERPARTY", "PANEL_BUYER"), "SH"),
    (MANAGER, "Hengxin Collateral Control", "恒信监管", ("COLLATERAL_MANAGER", "INSPECTOR"), "SH"),
    (OPERATORS["WH-SH-01"], "Baoluo Steel Yard", "宝罗钢材仓储", ("WAREHOUSE_OPERATOR",), "BS"),
    (OPERATORS["WH-SH-02"], "Waigang Bonded Storage", "外港保税仓储", ("WAREHOUSE_OPERATOR",), "SH"),
    (OPERATORS["WH-SH-03"], "Jincao Tank Storage", "金漕储罐", ("WAREHOUSE_OPERATOR",), "JS"),
    (OPERATORS["WH-SH-04"], "Anting Vehicle Park", "安亭商品车停放", ("WAREHOUSE_OPERATOR",), "JD"),
)


def organisation_code(body: str) -> str:
    """Nine characters: the eight of body and their check character (GB 11714)."""
    rest = (11 - sum(_ORG_ALPHABET.index(c) * w for c, w in zip(body, _ORG_WEIGHTS, strict=True)) % 11) % 11
    return body + ("X" if rest == 10 else str(rest))


def credit_code(district: str, body: str) -> str:
    """A unified social credit code of an enterprise (91) in a district, from eight characters of its own."""
    front = f"91{district}{organisation_code(body)}"
    return front + str(uscc.calc_check_digit(front))


def parties(seed: int) -> tuple[Party, ...]:
    """The companies, the same for every seed but for their credit codes."""
    chance = stream(seed, "parties")
    found = []
    for party_id, name, name_zh, roles, district in _PARTIES:
        body = "MA" + "".join(chance.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(6))
        found.append(Party(party_id, f"{name} (sample)", f"{name_zh}（样例）", roles, credit_code(_DISTRICTS[district], body)))
    return tuple(found)
