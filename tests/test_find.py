"""Finding runs again, as a person does it: sort, filter, choose columns, save, tag, take away."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.test_journeys import DEMO, wait_until_finished


@pytest.fixture
def runs(page: Page) -> Page:
    """On the list of runs, once the demo sweep has ended."""
    page.goto("/sweeps/")
    page.get_by_role("link", name=re.compile(DEMO)).first.click()
    wait_until_finished(page)
    page.goto("/runs/?view=all")
    return page


def rows(page: Page) -> int:
    return page.locator("tbody tr[data-href]").count()


def open_menu(page: Page, name: str) -> None:
    page.locator(".list-toolbar summary", has_text=name).click()


def test_sorting_and_filters_stand_in_the_url_and_are_taken_away_by_their_chips(runs: Page):
    everything = rows(runs)
    runs.get_by_role("link", name="Busy", exact=True).click()
    expect(runs.locator("th[aria-sort=ascending]")).to_contain_text("Busy")
    open_menu(runs, "Filters")
    batch = runs.locator("fieldset.filter", has=runs.get_by_text("Batch", exact=True))
    batch.get_by_label("from").fill("4")
    runs.get_by_role("button", name="Apply").click()
    expect(runs).to_have_url(re.compile("batch__gte=4"))
    expect(runs).to_have_url(re.compile("sort=energy_mj"))
    assert 0 < rows(runs) < everything
    runs.get_by_role("link", name=re.compile("Take away: Batch")).click()
    expect(runs).not_to_have_url(re.compile("batch__gte"))
    assert rows(runs) == everything


def test_the_keyboard_searches_goes_through_rows_marks_and_opens(runs: Page):
    runs.keyboard.press("/")
    expect(runs.locator("[data-search]")).to_be_focused()
    runs.keyboard.type("no such run")
    runs.keyboard.press("Enter")
    expect(runs.get_by_role("heading", name="No run fits")).to_be_visible()
    runs.get_by_role("main").get_by_role("link", name="Clear filters").last.click()
    expect(runs.locator("tbody tr[data-href]").first).to_be_visible()
    runs.keyboard.press("j")
    runs.keyboard.press("j")
    runs.keyboard.press("x")
    expect(runs.locator("[data-marked]")).to_have_text("1 marked")
    expect(runs.locator("tbody tr").nth(1).locator("[data-mark]")).to_be_checked()
    runs.keyboard.press("Enter")
    expect(runs).to_have_url(re.compile("/runs/[0-9a-f-]{36}/"))


def test_marked_rows_are_tagged_found_by_the_tag_and_it_is_undone(runs: Page):
    boxes = runs.locator("[data-mark]")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(runs.locator("[data-marked]")).to_have_text("3 marked")
    runs.locator("#bulk").get_by_label("Tags", exact=True).fill("to look at")
    runs.get_by_role("button", name="Add tags").click()
    expect(runs.get_by_text("to look at added to 3 runs.")).to_be_visible()
    runs.goto("/runs/?tag=to+look+at")
    assert rows(runs) == 3
    runs.locator("[data-mark-page]").check()
    runs.locator("#bulk").get_by_label("Tags", exact=True).fill("twice")
    runs.get_by_role("button", name="Add tags").click()
    runs.get_by_role("button", name="Undo").click()
    expect(runs.get_by_text("Undone")).to_be_visible()
    expect(runs.locator("td .tag", has_text="twice")).to_have_count(0)


def test_a_view_with_its_columns_is_saved_and_opens_again(runs: Page):
    open_menu(runs, "Columns")
    runs.locator(".column-panel").locator("input[value=p99_ms]").check()
    runs.get_by_role("button", name="Show these").click()
    expect(runs.get_by_role("columnheader", name=re.compile("^p99"))).to_be_visible()
    open_menu(runs, "Views")
    runs.get_by_label("Save what is shown").fill("With tails")
    runs.get_by_role("button", name="Save view").click()
    expect(runs.get_by_text("Saved as “With tails”.")).to_be_visible()
    runs.goto("/runs/?columns=default&remember=yes")
    expect(runs.get_by_role("columnheader", name=re.compile("^p99"))).to_have_count(0)
    open_menu(runs, "Views")
    runs.get_by_role("link", name=re.compile("^With tails")).click()
    expect(runs.get_by_role("columnheader", name=re.compile("^p99"))).to_be_visible()


def test_what_is_shown_is_taken_away_as_csv(runs: Page, tmp_path: Path):
    runs.goto("/runs/?columns=name,energy_mj&sort=-energy_mj")
    open_menu(runs, "Export")
    with runs.expect_download() as download:
        runs.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "runs.csv")
    found = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    energies = [float(row["energy_mj"]) for row in found if row["energy_mj"]]
    assert energies == sorted(energies, reverse=True)
    assert {"emulated"} <= {row["provenance"] for row in found}


def test_open_panels_and_marked_rows_have_no_fault_that_axe_finds(runs: Page):
    runs.locator("[data-mark]").first.check()
    for name in ("Filters", "Columns", "Views"):
        open_menu(runs, name)
        faults = Axe().run(runs).response["violations"]
        assert not faults, [(fault["id"], fault["nodes"][0]["html"]) for fault in faults]
        runs.keyboard.press("Escape")
