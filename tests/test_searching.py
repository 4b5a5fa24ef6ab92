"""How a search begins and ends, as its owner sees it, in a real Chromium on an emulated board."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .test_winner import LONG_MS, launch, until_finished

B0 = {"network": "EfficientNet-B0 (224 px)", "batch_sizes": "batch_sizes=1"}


def verify_quickly(page: Page, *, point: int | None = None) -> None:
    """In the fewest blocks, from the tab of the winner; ends there with the verdict."""
    page.goto(page.url.split("#")[0] + "#winner")
    page.reload()
    if point is not None:
        page.get_by_label("Point of the front").select_option(index=point)
    page.get_by_label("Blocks").fill("2")
    page.get_by_role("button", name=re.compile("Verify th(e winner|is point)")).click()
    expect(page.locator("#sweep-standing")).to_have_text(
        re.compile("^(verified|not confirmed)$"), timeout=LONG_MS
    )


def test_a_search_that_pays_no_longer_ends_by_itself_and_says_when_it_has_paid(page: Page):
    launch(page, name="pays", trials=12, strategy="polyweb", serves="3000", **B0)
    until_finished(page)
    ended = page.locator("#sweep-progress .answer")
    expect(ended).to_contain_text(
        re.compile(r"Next measurement: expected to save .* × 3,000 requests = .*: stopped\.")
    )
    cost = page.locator("#search-cost")
    expect(cost).to_contain_text(re.compile(r"cost .*Wh.* of board time in \d+ runs"))
    expect(cost).to_contain_text("Not yet paid for")
    verify_quickly(page)
    expect(page.locator("#sweep-standing")).to_have_text("verified")
    expect(cost).to_contain_text(re.compile(r"paid for itself after about [\d,]+ requests"))


def test_a_search_starts_from_an_earlier_one(page: Page):
    launch(page, name="came first", trials=4, **B0)
    until_finished(page)
    begun = {"network": "EfficientNet-B4 (380 px)", "batch_sizes": "batch_sizes=1"}
    launch(page, name="came later", trials=4, strategy="polyweb", earlier="came first", **begun)
    until_finished(page)
    expect(page.locator("#sweep-progress")).to_contain_text("4 of 4")
    page.get_by_role("tab", name="Settings").click()
    expect(page.locator("#settings")).to_contain_text("Starts from")
    page.locator("#settings").get_by_role("link", name="came first").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("came first")


def test_a_winner_that_was_measured_coarsely_is_measured_again(page: Page):
    launch(page, name="again", trials=4, strategy="polyweb", measure="1", **B0)
    until_finished(page)
    page.get_by_role("tab", name="Trials").click()
    rows = page.locator("#sweep-trials tbody tr")
    expect(page.locator("#sweep-trials tr.best")).to_contain_text("look 2")
    expect(rows.filter(has_text="measured again")).to_have_count(1)
    expect(rows).to_have_count(4)


def test_a_point_of_a_front_is_chosen_and_verified(page: Page):
    launch(page, name="a front", trials=8, strategy="polyweb", goal="pareto", **B0)
    until_finished(page)
    page.reload()
    expect(page.locator("#sweep-progress .answer")).to_contain_text("A front of")
    page.get_by_role("tab", name="Winner").click()
    chosen = page.get_by_label("Point of the front").locator("option").first.inner_text()
    trial = re.match(r"trial \d+", chosen)[0]
    verify_quickly(page, point=0)
    expect(page.locator("#sweep-winner")).to_contain_text(
        re.compile(rf"{trial} of the front: (Verified|Not confirmed)", re.I)
    )
