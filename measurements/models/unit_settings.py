from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from measurements import units
from measurements.units import JOULE, NAMES, NEEDS, Assumptions, EnergyUnit

SAID = ("pack_wh", "rate_hz", "boards", "price_per_kwh", "currency", "grid_g_per_kwh",
        "grid_name", "grid_dated")  # fmt: skip
TEXTS = ("currency", "grid_name")


def energy_unit_of(user: Any) -> EnergyUnit:
    """The unit in which `user` reads energies per request; joules for who has chosen none.

    Costs no query for `request.user`: the sign-in loads the settings with the account.
    """
    chosen = getattr(user, "unit_settings", None)
    return JOULE if chosen is None else chosen.energy_unit()


def _said(key: str) -> Q:
    """The unit is another one, or all that it rests on is there (a NULL would pass a CHECK)."""
    there = Q()
    for name in NEEDS[key]:
        there &= Q(**{f"{name}__gt": ""}) if name in TEXTS else Q(**{f"{name}__isnull": False})
    return ~Q(unit=key) | there


def _positive(name: str) -> models.CheckConstraint:
    condition = Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0})
    return models.CheckConstraint(condition=condition, name=f"units_{name}_positive")


class UnitSettings(models.Model):
    """In which unit somebody reads energies, and what he says of his use: no defaults."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="unit_settings"
    )
    unit = models.CharField(max_length=12, choices=list(NAMES.items()), default="joule")
    pack_wh = models.FloatField(null=True)
    rate_hz = models.FloatField(null=True)
    boards = models.PositiveIntegerField(default=1)
    price_per_kwh = models.FloatField(null=True)
    currency = models.CharField(max_length=8, blank=True)
    grid_g_per_kwh = models.FloatField(null=True)
    grid_name = models.CharField(max_length=80, blank=True)
    grid_dated = models.DateField(null=True)

    class Meta:
        constraints = [
            _positive("pack_wh"),
            _positive("rate_hz"),
            _positive("price_per_kwh"),
            _positive("grid_g_per_kwh"),
            models.CheckConstraint(condition=Q(boards__gt=0), name="units_boards_positive"),
            *(
                models.CheckConstraint(condition=_said(key), name=f"units_{key}_has_its_needs")
                for key in NEEDS
                if NEEDS[key]
            ),
        ]

    def __str__(self) -> str:
        return f"{NAMES[self.unit]} for {self.user_id}"

    def assumptions(self) -> Assumptions:
        return Assumptions(**{name: getattr(self, name) for name in SAID})

    def energy_unit(self) -> EnergyUnit:
        return units.energy_unit(self.unit, self.assumptions())

    def use(self, unit: str) -> bool:
        """Read energies in `unit` from now on; False if what it rests on was never said."""
        if self.assumptions().missing(unit):
            return False
        self.unit = unit
        self.save()
        return True
