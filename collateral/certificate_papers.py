"""A certificate as a workbook and as a printed page, drawn from its content alone: the same content gives the same bytes. Pure."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Font
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

_FONT = "STSong-Light"  # one of the fonts that every PDF reader brings along for Chinese
_ZIP_DAY = (1980, 1, 1, 0, 0, 0)
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
STEPS_ZH = {
    "gross_market_value": "市值总额",
    "haircuts_for_age_and_quality": "减：库龄及质量折扣",
    "ineligible": "减：不合格存货",
    "above_concentration_caps": "减：超集中度部分",
    "collateral_value": "押品认定价值",
    "not_advanced": "减：质押率以外部分",
    "reserves": "减：准备",
    "borrowing_base": "借款基数",
    "above_limit": "减：超授信额度部分",
    "exposure": "减：敞口",
    "availability": "可用额度",
}
VALUES_ZH = {
    "book_value": "账面价值",
    "collateral_value": "押品认定价值",
    "physically_confirmed": "实物确认价值",
    "held_while_a_reader_is_silent": "设备静默期间保留价值",
    "pending_first_sighting": "待首次确认价值",
}

_SHEETS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("Ineligible", "ineligible", {"reason": "原因", "units": "件数", "value": "价值"}),
    (
        "Prices",
        "prices",
        {
            "commodity_code": "品种",
            "price": "不含税单价",
            "unit": "单位",
            "source": "来源",
            "quoted_at": "报价时间",
            "stale_discount": "陈价折扣",
            "advance_rate": "质押率",
            "flags": "提示",
            "price_id": "报价编号",
            "why": "无价原因",
        },
    ),
    (
        "Units",
        "units",
        {
            "goods_id": "货物编号",
            "commodity_code": "品种",
            "quantity": "数量",
            "warehouse_id": "仓库",
            "sighting": "实物状态",
            "confirmed_by": "确认设备",
            "confirmed_at": "确认时间",
            "unit_price": "认定单价",
            "market_value": "市值",
            "haircut": "折扣",
            "advance": "质押率",
            "collateral_value": "认定价值",
            "reasons": "不合格原因",
            "capped": "超集中度",
            "differentials": "升贴水",
        },
    ),
)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def xlsx(content: Mapping[str, Any]) -> bytes:
    """A workbook: certificate, ineligible goods, prices, units. Texts are kept as texts, so that none is run as a formula."""
    book = Workbook()
    at = datetime.fromisoformat(content["issued_at"]).replace(tzinfo=None)
    book.properties.created, book.properties.modified, book.properties.creator = at, at, "Chuantou"
    front = book.active
    assert front is not None
    front.title = "Certificate"
    _rows(front, _front(content))
    for title, key, columns in _SHEETS:
        _rows(book.create_sheet(title), _table(content[key], columns))
    raw = io.BytesIO()
    book.save(raw)
    return _same_every_time(raw.getvalue(), at)


def _front(content: Mapping[str, Any]) -> Iterator[Sequence[str | None]]:
    yield ("Borrowing base certificate", "借款基数证明", "")
    for name, zh in (
        ("certificate_id", "编号"),
        ("facility_id", "授信编号"),
        ("currency", "币种"),
        ("as_of", "基准时点"),
        ("issued_at", "出具时间"),
        ("issued_by", "出具人"),
    ):
        yield (_words(name), zh, content[name])
    yield ("Judged", "可认定", "yes 是" if content["judged"] else "no 否: " + ", ".join(content["why_not_judged"]))
    yield ()
    for line in content["waterfall"]:
        yield (("- " if line["sign"] == "-" else "") + _words(line["step"]), STEPS_ZH[line["step"]], line["amount"])
    yield ()
    for name, zh in VALUES_ZH.items():
        yield (_words(name), zh, content["value"][name])
    for name in ("coverage", "ltv", "effective_advance"):
        yield (_words(name), "", content["ratios"][name])


def _table(lines: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Iterator[Sequence[str | None]]:
    yield [f"{name} {zh}" for name, zh in columns.items()]
    for line in lines:
        yield [_cell_text(line.get(name)) for name in columns]


def _cell_text(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return "; ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(value)
    return None if value is None else str(value)


def _rows(sheet: Any, lines: Iterator[Sequence[str | None]]) -> None:
    for row, line in enumerate(lines, start=1):
        for column, value in enumerate(line, start=1):
            cell: Cell = sheet.cell(row=row, column=column)
            _put(cell, value)
            if row == 1:
                cell.font = Font(bold=True)
    for letter, width in (("A", 34), ("B", 26), ("C", 30)):
        sheet.column_dimensions[letter].width = width


def _put(cell: Cell, value: str | None) -> None:
    if value is None:
        return
    if re.fullmatch(r"-?\d{1,15}(\.\d+)?", value) and len(value) <= 16:
        cell.value = Decimal(value)
        cell.number_format = "#,##0.00" if "." in value else "0"
        return
    cell.value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", value)
    cell.data_type = "s"


def _same_every_time(raw: bytes, at: datetime) -> bytes:
    """The same parts in the same order, without the time of writing."""
    made = io.BytesIO()
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(raw)) as parts, zipfile.ZipFile(made, "w") as kept:
        for name in sorted(parts.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            data = parts.read(name)
            if name == "docProps/core.xml":
                data = _MODIFIED.sub(rb"\g<1>" + stamp + rb"\g<2>", data)
            info = zipfile.ZipInfo(name, _ZIP_DAY)
            info.external_attr = 0o600 << 16
            kept.writestr(info, data, zipfile.ZIP_DEFLATED, 6)
    return made.getvalue()


def pdf(content: Mapping[str, Any]) -> bytes:
    """A4 pages: the waterfall, values, ineligible goods and prices; the units are in the workbook."""
    pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
    made = io.BytesIO()
    page = Canvas(made, pagesize=A4, invariant=1)
    page.setTitle(f"Borrowing base certificate {content['certificate_id']}")
    page.setAuthor("Chuantou")
    _draw(page, list(_front(content)), list(_pdf_tables(content)))
    page.save()
    return made.getvalue()


def _pdf_tables(content: Mapping[str, Any]) -> Iterator[str]:
    yield "Ineligible goods 不合格存货"
    for line in content["ineligible"]:
        yield f"    {line['reason']}: {line['units']} units 件, {line['value']} {content['currency']}"
    yield "Prices 价格 (ex-VAT 不含税)"
    for line in content["prices"]:
        if line["price"] is None:
            yield f"    {line['commodity_code']}: {line['why']}"
        else:
            flags = f" [{', '.join(line['flags'])}]" if line["flags"] else ""
            yield f"    {line['commodity_code']}: {line['price']} /{line['unit']}, {line['source']}, {line['quoted_at']}, {line['price_id']}{flags}"
    yield f"Units 件数: {len(content['units'])}; ledger entry 账本序号: {content['ledger_entry_no']}"


def _draw(page: Canvas, front: Sequence[Sequence[str | None]], rest: Sequence[str]) -> None:
    left, top, bottom, step = 56.0, A4[1] - 64, 56.0, 15.0
    y = top
    for number, line in enumerate(front):
        page.setFont(_FONT, 15 if number == 0 else 9.5)
        if line:
            page.drawString(left, y, f"{line[0]}  {line[1]}")
            page.drawRightString(A4[0] - left, y, line[2] or "-" if number else "")
        y -= step * (1.6 if number == 0 else 1)
    y -= step
    for text in rest:
        for piece in _wrapped(text, 88):
            if y < bottom:
                page.showPage()
                y = top
            page.setFont(_FONT, 9)
            page.drawString(left, y, piece)
            y -= step * 0.9
    page.showPage()


def _wrapped(text: str, width: int) -> list[str]:
    return [text[i : i + width] for i in range(0, len(text), width)] or [""]
