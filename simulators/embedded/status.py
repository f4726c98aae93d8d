"""The demo's live status, drawn with rich."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simulators.embedded.figures import Figures

BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")
_LINE_STYLE = {"OK": "green", "WARNING": "yellow", "MARGIN_CALL": "red", "DISPOSAL": "bold red", "CANNOT_JUDGE": "magenta"}
_SEVERITY_STYLE = {"P1": "bold red", "P2": "red", "P3": "yellow", "P4": "dim"}


@dataclass(frozen=True)
class Status:
    """What the display shows besides the store's figures. backlog: None = unknown."""

    world_now: datetime
    speed: float
    url: str
    users: dict[str, str]
    readings_per_s: float
    backlog: int | None
    latency_ms: dict[str, float | int | None]
    seconds_left: float | None
    parts: str


def draw(status: Status, figures: Figures) -> RenderableType:
    """The whole display."""
    local = status.world_now.astimezone(BUSINESS_ZONE)
    left = "" if status.seconds_left is None else f", {max(0, status.seconds_left):.0f} s left"
    head = Text.assemble(
        ("Chuantou demo  ", "bold"),
        f"{local:%a %Y-%m-%d %H:%M} Shanghai, {status.speed:g}x{left}\n",
        (f"{status.url}/", "bold cyan"),
        "   broker and store on loopback   ",
        (status.parts, "dim"),
    )
    return Panel(Group(head, _flow(status, figures), _facilities(figures), _alerts(figures), _people(status, figures)), expand=False)


def _flow(status: Status, figures: Figures) -> Table:
    table = Table.grid(padding=(0, 3))
    r, c = figures.readings, figures.counts
    table.add_row(
        f"readings/s [bold]{status.readings_per_s:.0f}[/]",
        f"received {r.get('received', 0)} = stored {r.get('stored', 0)} + repeated {r.get('repeated', 0)}"
        f" + absorbed {r.get('absorbed', 0)} + refused {r.get('refused', 0)}",
        f"backlog {'?' if status.backlog is None else status.backlog}",
    )
    p50, p99 = status.latency_ms["p50"], status.latency_ms["p99"]
    seen = "no alert yet" if p50 is None else f"publish to alert p50 {p50:.0f} ms, p99 {p99:.0f} ms ({status.latency_ms['samples']})"
    table.add_row(f"goods in view [bold]{c.get('goods_in_view', 0)}[/] of {c.get('goods', 0)}", seen, f"vehicles {c.get('vehicles', 0)}")
    return table


def _facilities(figures: Figures) -> Table:
    table = Table(title="Facilities", title_justify="left", box=None, pad_edge=False)
    for name in ("facility", "coverage", "call line", "value", "exposure", "state"):
        table.add_column(name, justify="left" if name in ("facility", "state") else "right")
    for row in figures.coverage:
        state = row["line_state"] or "not valued yet"
        table.add_row(
            row["name"],
            _ratio(row["coverage"]),
            _ratio(row["margin_call_line"]),
            _money(row["collateral_value"], row["currency"]),
            _money(row["exposure"], row["currency"]),
            Text(state, style=_LINE_STYLE.get(state, "dim")),
        )
    return table


def _ratio(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _money(value: Decimal | None, currency: str | None) -> str:
    return "-" if value is None else f"{value:,.0f} {currency}"


def _alerts(figures: Figures) -> Table:
    counts = "  ".join(f"{s} {n}" for s, n in figures.open_alerts.items()) or "none"
    table = Table(title=f"Open alerts: {counts}", title_justify="left", box=None, pad_edge=False, show_header=False)
    for row in figures.newest_alerts:
        when = row["occurred_at"].astimezone(BUSINESS_ZONE)
        table.add_row(
            f"{when:%d %H:%M}", Text(row["severity"], _SEVERITY_STYLE.get(row["severity"], "")), row["rule_code"], row["summary"][:100]
        )
    return table


def _people(status: Status, figures: Figures) -> Table:
    table = Table.grid(padding=(0, 3))
    jobs = ", ".join(f"{job} {at.astimezone(BUSINESS_ZONE):%d %H:%M}" for job, at in figures.next_jobs) or "not known yet"
    table.add_row("next jobs", jobs)
    table.add_row("users", "  ".join(f"{name}/{password}" for name, password in status.users.items()))
    return table


def plain_line(status: Status, figures: Figures) -> str:
    """One line for a terminal that cannot redraw (a log, a pipe)."""
    r = figures.readings
    alerts = " ".join(f"{s}:{n}" for s, n in figures.open_alerts.items()) or "none"
    return (
        f"{status.world_now.astimezone(BUSINESS_ZONE):%Y-%m-%d %H:%M} readings/s {status.readings_per_s:.0f} received {r.get('received', 0)}"
        f" backlog {'?' if status.backlog is None else status.backlog} goods {figures.counts.get('goods_in_view', 0)} open alerts {alerts}"
    )


def console() -> Console:
    """The terminal. Status goes to standard error, so that standard output stays free for results."""
    return Console(stderr=True)
