"""A reader changes the unit, by hand and without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LONG_MS = 30_000

SAID = {
    "Requests a second, one board": "10",
    "Battery pack, Wh": "99.9",
    "Price of a kWh": "0.30",
    "Currency": "EUR",
}


def test_energies_change_to_hours_and_back_on_every_page(page: Page):
    page.goto("/runs/")
    page.get_by_label("Units: J/request").click()
    page.get_by_role("button", name="Battery hours").click()
    expect(page.get_by_label("Show energy per request as")).to_have_value(
        "battery", timeout=LONG_MS
    )
    for label, value in SAID.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/runs/$"), timeout=LONG_MS)
    note = page.locator(".unit-note")
    expect(note).to_contain_text("a pack of 99.9 Wh at 10 requests a second", timeout=LONG_MS)
    page.get_by_label("Units: h").click()
    page.get_by_role("button", name="Cost a year").click()
    expect(note).to_contain_text("0.3 EUR a kWh", timeout=LONG_MS)
    page.get_by_label("Units: EUR/year").click()
    page.get_by_role("button", name="J per request").click()
    expect(note).to_have_count(0, timeout=LONG_MS)
