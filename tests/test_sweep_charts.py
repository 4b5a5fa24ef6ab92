"""What a person does with the charts of a sweep's page, in a real Chromium."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

DEMO = "First look"
PATIENCE_MS = 90_000
TABS = (
    "Heat maps", "Energy vs latency", "Convergence", "Knobs", "Rails", "What if", "Winner",
    "Trials", "Board time", "Review", "Settings",
)  # fmt: skip
DRAWN = ("maps", "energy-latency", "convergence", "knobs", "rails", "board-time")


@pytest.fixture
def finished(page: Page) -> Page:
    """On the page of the demo sweep, once it has ended."""
    page.goto("/sweeps/")
    page.get_by_role("link", name=re.compile(DEMO)).first.click()
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=PATIENCE_MS)
    return page


def opened(page: Page, tab: str) -> str:
    """The id of the panel that the tab opened, once it has come."""
    link = page.get_by_role("tab", name=tab, exact=True)
    link.click()
    name = (link.get_attribute("href") or "").removeprefix("#")
    expect(page.locator(f"#{name} .panel > .stack, #{name} .panel > div").first).to_be_visible(
        timeout=30_000
    )
    return name


def test_each_tab_opens_and_draws_what_it_has(finished: Page):
    for tab in TABS:
        name = opened(finished, tab)
        if name in DRAWN:
            expect(finished.locator(f"#{name} .js-plotly-plot").first).to_be_visible(timeout=30_000)


def test_a_link_to_a_tab_opens_it_and_it_is_there_again_after_a_reload(finished: Page):
    finished.goto(finished.url.split("#")[0] + "#rails")
    expect(finished.locator("#rails .js-plotly-plot").first).to_be_visible(timeout=30_000)
    finished.reload()
    expect(finished.locator("#rails .js-plotly-plot").first).to_be_visible(timeout=30_000)
    expect(finished.locator("#maps")).to_be_hidden()


def test_a_chart_opens_large_and_escape_closes_it(finished: Page):
    opened(finished, "Convergence")
    button = finished.locator("#convergence [data-large]")
    button.focus()
    finished.keyboard.press("Enter")
    dialog = finished.locator("dialog.large")
    expect(dialog.locator(".js-plotly-plot")).to_be_visible()
    assert dialog.bounding_box()["width"] > 1200
    finished.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()


def test_a_point_of_the_scatter_leads_to_its_run(finished: Page):
    name = opened(finished, "Energy vs latency")
    point = finished.locator(f"#{name} .js-plotly-plot .scatterlayer .point").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    finished.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(finished).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"))


def test_board_time_instead_of_trials_is_chosen_above_the_chart(finished: Page):
    opened(finished, "Convergence")
    finished.locator("#convergence-over").select_option("time")
    expect(finished.locator("#convergence .xtitle")).to_have_text("Board time spent (s)")


def test_a_range_dragged_over_an_axis_fades_the_other_lines(finished: Page):
    opened(finished, "Knobs")
    chart = finished.locator("#chart-parallel")
    chart.scroll_into_view_if_needed()
    area = chart.locator(".nsewdrag").first
    area.wait_for(timeout=30_000)
    box = area.bounding_box()
    x = box["x"] + 0.2 / 4.55 * box["width"]  # The first of five axes, seen from −0.2 to 4.35.
    finished.mouse.move(x - 12, box["y"] + 5)
    finished.mouse.down()
    finished.mouse.move(x + 12, box["y"] + 0.3 * box["height"], steps=5)
    finished.mouse.up()
    expect(chart).to_have_attribute("data-kept", "6")  # Of 24 trials at four GPU clocks.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_breaks_a_rule_of_accessibility(finished: Page, scheme: str):
    finished.emulate_media(color_scheme=scheme)
    found = {}
    for tab in TABS:
        opened(finished, tab)
        finished.wait_for_load_state("networkidle")
        result = Axe().run(finished)
        if result.violations_count:
            found[tab] = result.generate_report()
    assert not found, "\n".join(f"{tab}: {report}" for tab, report in found.items())
