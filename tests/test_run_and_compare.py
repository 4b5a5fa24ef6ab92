"""What a person does on a run's page and with two runs side by side, in a real Chromium."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

LONG_MS = 30_000
DONE = "/runs/?state=done&origin=measured&network=EfficientNet-B4+(380+px)&sort=-queued"
PATIENCE_S = 120


@pytest.fixture
def run(page: Page) -> Page:
    """On the page of the demo sweep's first run, its chart drawn, once two runs are done."""
    page.goto(f"/runs/{two(page)[0]}/")
    expect(page.locator("[data-run-trace] .js-plotly-plot")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("[data-trace-note]")).to_contain_text("sample", timeout=LONG_MS)
    return page


def drag(page: Page, start: float, end: float) -> None:
    """Over the chart of the run, between two shares of its width."""
    page.locator("[data-run-trace]").scroll_into_view_if_needed()
    box = page.locator("[data-run-trace] .nsewdrag").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (start + end) / 2 * box["width"], y, steps=4)
    page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    page.mouse.up()


def two(page: Page) -> list[str]:
    """The ids of the latest two runs of one network, waiting until they are done."""
    rows = page.locator("tr[data-href]")
    until = time.monotonic() + PATIENCE_S
    while page.goto(DONE) and rows.count() < 2:
        assert time.monotonic() < until, "no two runs were done in time"
        page.wait_for_timeout(500)
    return [rows.nth(n).get_attribute("data-href").split("/")[2] for n in (0, 1)]


def test_a_window_is_integrated_by_dragging_and_the_link_carries_it(run: Page):
    run.get_by_role("button", name="Drag to integrate").click()
    drag(run, 0.45, 0.65)
    answer = run.locator("#window .answer")
    expect(answer).to_contain_text("on average over", timeout=LONG_MS)
    expect(run).to_have_url(re.compile(r"\?start=[\d.]+&end=[\d.]+"))
    shown = answer.inner_text()
    run.reload()
    expect(run.locator("#window .answer")).to_have_text(shown)


def test_a_window_is_integrated_from_the_keyboard_or_refused_with_a_reason(run: Page):
    run.locator("#window input[name=start]").fill("6")
    run.locator("#window input[name=end]").fill("7")
    run.keyboard.press("Enter")
    expect(run.locator("#window .answer")).to_contain_text("(6 to 7 s)", timeout=LONG_MS)
    run.locator("#window input[name=end]").fill("99999")
    run.keyboard.press("Enter")
    expect(run.locator("#window [role=alert]")).to_contain_text("do not cover", timeout=LONG_MS)


def test_zooming_fetches_the_samples_in_sight(run: Page):
    with run.expect_response(re.compile(r"trace\.json\?.*from=")) as told:
        drag(run, 0.5, 0.6)
    figure = told.value.json()["figure"]
    times = next(line for line in figure["data"] if line["name"] == "total")["x"]
    start, end = (
        float(t) for t in run.locator("[data-run-trace]").get_attribute("data-sight").split()
    )
    assert start - 1 < times[0] < times[-1] < end + 1


def test_two_runs_are_compared_and_the_baseline_is_switched(page: Page, run: Page):
    first, second = two(page)
    page.goto(f"/runs/{first}/")
    page.get_by_role("link", name="Compare with…").click()
    page.locator(f"input[value='{second}']").check()
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url(re.compile(rf"/compare/\?runs={first},{second}"))
    expect(page.locator(".verdict-list")).to_contain_text("B against A")
    page.get_by_role("link", name="make baseline").click()
    expect(page.locator(".verdict-list")).to_contain_text("A against B")
    page.get_by_role("link", name="Only differences").click()
    expect(page.get_by_role("rowheader", name="JetPack")).to_have_count(0)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=LONG_MS)


def test_a_comparison_is_downloaded_as_csv(page: Page, run: Page, tmp_path: Path):
    page.goto(f"/compare/?runs={','.join(two(page))}")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "compared.csv")
    rows = {row[0]: row for row in csv.reader((tmp_path / "compared.csv").read_text().splitlines())}
    assert float(rows["Busy energy per request"][2]) > 0
    assert rows["Provenance"][2:4] == ["emulated", "emulated"]


def test_a_note_is_written_and_changed(run: Page):
    for text in ("first **words**", "second words"):
        run.locator("#note summary").click()
        run.get_by_label("Note").fill(text)
        run.get_by_role("button", name="Save the note").click()
        expect(run.locator("#note .markdown")).to_have_text(text.replace("*", ""))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_run_and_comparison_break_no_rule_of_accessibility(run: Page, scheme: str):
    run.emulate_media(color_scheme=scheme)
    found = {}
    pages = (f"{run.url}?start=6&end=7", f"/compare/?runs={','.join(two(run))}", "/compare/")
    for path in pages:
        run.goto(path)
        if (result := Axe().run(run)).violations_count:
            found[path] = result.generate_report()
    assert not found, "\n".join(f"{path}: {report}" for path, report in found.items())
