"""Who sold to whom, and who belongs to whom, as graphs in networkx. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise, product

import networkx as nx

from risk.facts_trade import Deal, Link

CYCLES_MAX = 10_000
CHOICES_MAX = 20_000


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Deals that lead back to their first seller, in order. closing: smallest quantity over largest."""

    deals: tuple[Deal, ...]
    closing: Decimal

    @property
    def parties(self) -> tuple[str, ...]:
        return tuple(d.seller_party_id for d in self.deals)


def loops(deals: Sequence[Deal], *, within: timedelta, quantity_share: Decimal, closing_min: Decimal, length_max: int) -> list[Loop]:
    """Circles of sales of one commodity. Strongly connected parts first: outside them there is none. One loop per set of parties, the newest."""
    groups: dict[tuple[str, str | None, str | None], list[Deal]] = defaultdict(list)
    for deal in deals:
        if deal.quantity is not None and deal.seller_party_id != deal.buyer_party_id:
            groups[deal.tenant_id, deal.commodity_code, deal.unit].append(deal)
    found: list[Loop] = []
    for group in groups.values():
        by_pair: dict[tuple[str, str], list[Deal]] = defaultdict(list)
        for deal in sorted(group, key=lambda d: d.issued_at):
            by_pair[deal.seller_party_id, deal.buyer_party_id].append(deal)
        graph: nx.DiGraph[str] = nx.DiGraph(list(by_pair))
        for part in nx.strongly_connected_components(graph):
            if len(part) < 2:
                continue
            for count, circle in enumerate(nx.simple_cycles(graph.subgraph(part), length_bound=length_max)):
                if count >= CYCLES_MAX:
                    break
                loop = _loop(circle, by_pair, within, quantity_share, closing_min)
                if loop is not None:
                    found.append(loop)
    return found


def _loop(
    circle: Sequence[str], by_pair: dict[tuple[str, str], list[Deal]], within: timedelta, quantity_share: Decimal, closing_min: Decimal
) -> Loop | None:
    """The newest deals along a circle that fit in time and quantity, beginning with the earliest."""
    legs = [by_pair[pair][-8:][::-1] for pair in pairwise([*circle, circle[0]])]
    for count, chosen in enumerate(product(*legs)):
        if count >= CHOICES_MAX:
            return None
        times = [d.issued_at for d in chosen]
        if max(times) - min(times) > within:
            continue
        quantities = [d.quantity for d in chosen if d.quantity is not None]
        closing = min(quantities) / max(quantities)
        near = all(max(a, b) <= min(a, b) * (1 + quantity_share) for a, b in pairwise([*quantities, quantities[0]]))
        if closing >= closing_min and near:
            start = times.index(min(times))
            return Loop(deals=(*chosen[start:], *chosen[:start]), closing=closing)
    return None


@dataclass(frozen=True, kw_only=True)
class Kinship:
    """How two parties are related: the way between them, through what they share."""

    party_a: str
    party_b: str
    way: tuple[str, ...]
    kinds: tuple[str, ...]
    disclosed: bool


def kinships(
    links: Iterable[Link], pairs: Iterable[tuple[str, str]], *, share_min: Decimal, degree_max: int, hops_max: int
) -> list[Kinship]:
    """For each pair of parties the shortest way of at most hops_max between parties. A shared thing with too many holders (an office park) counts not.

    Shareholders count from share_min on. A way is disclosed when all of its links are.
    """
    graph: nx.Graph[str] = nx.Graph()
    for link in links:
        if link.share is not None and link.share < share_min:
            continue
        shared = f"party:{link.other_party_id}" if link.other_party_id is not None else f"{link.kind}:{link.key.strip().upper()}"
        graph.add_edge(f"party:{link.party_id}", shared, kind=link.kind, disclosed=link.disclosed)
    crowded = [n for n, degree in graph.degree() if degree > degree_max and not n.startswith("party:")]
    graph.remove_nodes_from(crowded)
    found = []
    for a, b in sorted(set(pairs)):
        source, target = f"party:{a}", f"party:{b}"
        if source not in graph or target not in graph or not nx.has_path(graph, source, target):
            continue
        way = nx.shortest_path(graph, source, target)
        things = sum(not n.startswith("party:") for n in way)
        if len(way) - 1 - things > hops_max:
            continue
        edges = [graph.edges[pair] for pair in pairwise(way)]
        kinds = tuple(dict.fromkeys(e["kind"] for e in edges))
        found.append(Kinship(party_a=a, party_b=b, way=tuple(way), kinds=kinds, disclosed=all(e["disclosed"] for e in edges)))
    return found
