"""Thresholds as data: a rule's own numbers, and what people set instead for a tenant, a product or a site. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from risk.rule import Threshold


@dataclass(frozen=True, kw_only=True)
class Override:
    """One row of rule_threshold: value instead of the rule's own, durations in seconds; None = the rule's own again. version: the row's number."""

    version: int
    tenant_id: str
    rule_code: str
    name: str
    value: Decimal | None
    product: str | None = None
    warehouse_id: str | None = None


@dataclass(kw_only=True)
class Tuned:
    """The thresholds of one rule in one place. Remembers what was asked for, so that a finding can show what it was decided on."""

    rule_code: str
    overrides: tuple[Override, ...]
    used: dict[str, str] = field(default_factory=dict)

    def _value(self, threshold: Threshold) -> Decimal | int | timedelta:
        found = next((o for o in self.overrides if o.name == threshold.name), None)
        if found is None or found.value is None:
            self.used[threshold.name] = threshold.shown()
            return threshold.value
        fault = threshold.fault(found.value)
        if fault is not None:  # set before the bound was known
            self.used[threshold.name] = f"{threshold.shown()} (version {found.version} does not count: {fault})"
            return threshold.value
        value: Decimal | timedelta = found.value
        if isinstance(threshold.value, timedelta):
            value = timedelta(seconds=float(found.value))
        shown = Threshold(name=threshold.name, value=value, meaning=threshold.meaning).shown()
        self.used[threshold.name] = f"{shown} (set, version {found.version})"
        return value

    def number(self, threshold: Threshold) -> Decimal:
        """A number that the rule decides by."""
        value = self._value(threshold)
        if isinstance(value, timedelta):
            raise TypeError(f"{threshold.name} is a duration")
        return Decimal(value)

    def span(self, threshold: Threshold) -> timedelta:
        """A duration that the rule decides by."""
        value = self._value(threshold)
        if not isinstance(value, timedelta):
            raise TypeError(f"{threshold.name} is no duration")
        return value

    def shown(self) -> Mapping[str, str]:
        """What was asked for, for the alert."""
        return dict(self.used)


@dataclass(frozen=True)
class ThresholdBook:
    """What people set, newest of each scope. Of several that fit, the narrowest counts: site, then product, then tenant."""

    overrides: tuple[Override, ...] = ()

    def of(self, rule_code: str, tenant_id: str, *, warehouse_id: str | None = None, product: str | None = None) -> Tuned:
        """The thresholds of a rule for a subject in this place."""
        fitting = [
            o
            for o in self.overrides
            if o.rule_code == rule_code
            and o.tenant_id == tenant_id
            and (o.warehouse_id is None or o.warehouse_id == warehouse_id)
            and (o.product is None or o.product == product)
        ]
        narrow_first = sorted(fitting, key=lambda o: (o.warehouse_id is None, o.product is None, -o.version))
        return Tuned(rule_code=rule_code, overrides=tuple(narrow_first))
