"""What an operator does with a sweep and its winner, in a real Chromium on an emulated board."""

from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

LONG_MS = 240_000
STRATEGIES = ("polyweb", "cbo", "random", "grid")


def launch(
    page: Page,
    *,
    name: str,
    trials: int,
    strategy: str = "random",
    network: str = "EfficientNet-B4 (380 px)",
    batch_sizes: str = "batch_sizes=1&batch_sizes=4",
    goal: str = "energy",
    serves: str = "",
    earlier: str = "",
    measure: str = "",
) -> None:
    """Fill in the launch form and press the button; ends on the sweep's page."""
    knobs = "gpu_min_hz_how=nth&gpu_max_hz_how=found"
    page.goto(f"/sweeps/new/?{knobs}&cpu_phase=&{batch_sizes}")
    page.get_by_label("Network").select_option(label=network)
    page.get_by_label("Latency limit (SLO), ms").fill("400")
    page.get_by_label("Look for").select_option(goal)
    page.get_by_label("Strategy").select_option(strategy)
    page.get_by_label("Trials at most").fill(str(trials))
    page.get_by_label("Requests per run").fill("200")
    page.get_by_label("Measure", exact=True).select_option(measure)
    page.get_by_label("This result will serve").fill(serves)
    if earlier:
        page.get_by_role("checkbox", name=earlier).first.check()  # Of a rerun: its own.
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name, timeout=LONG_MS)


def until_finished(page: Page) -> None:
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=LONG_MS)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sweep_is_launched_with_each_strategy(page: Page, strategy: str):
    launch(page, name=f"by {strategy}", trials=6, strategy=strategy)
    until_finished(page)
    expect(page.locator("#sweep-standing")).to_have_text("not yet verified")
    expect(page.locator("#sweep-progress")).to_contain_text("6 of 6")


def test_a_sweep_is_paused_extended_and_forked(page: Page):
    launch(page, name="to extend", trials=3)
    page.get_by_role("button", name="Pause").first.click()
    expect(page.locator("#sweep-state")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    until_finished(page)
    page.get_by_role("link", name="Extend").click()
    page.get_by_label("More trials at most").fill("2")
    page.get_by_role("button", name="Extend").click()
    until_finished(page)
    expect(page.locator("#sweep-progress")).to_contain_text("5 of 5")
    page.get_by_role("link", name="Fork").click()
    page.get_by_label("Latency limit (SLO), ms").fill("300")
    page.get_by_label("New trials at most").fill("1")
    page.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("to extend, forked")
    until_finished(page)
    expect(page.locator("#sweep-progress")).to_contain_text("5 taken over")
    page.goto(f"{page.url.split('#')[0]}#trials")
    expect(page.locator("#sweep-trials tbody tr")).to_have_count(6)


def test_a_winner_is_verified_applied_and_rolled_back(page: Page, tmp_path):
    small = {"network": "EfficientNet-B0 (224 px)", "batch_sizes": "batch_sizes=1"}
    launch(page, name="to verify", trials=8, strategy="polyweb", **small)  # Here a board gains.
    until_finished(page)
    page.reload()
    page.get_by_role("button", name="Verify", exact=True).click()
    expect(page.locator("#sweep-standing")).to_have_text("verified", timeout=LONG_MS)
    expect(page.locator("#sweep-progress .answer")).to_contain_text("Saves")
    expect(page.locator("#sweep-progress .answer")).to_contain_text("SLO met")
    page.goto(page.url.split("#")[0] + "#winner")
    expect(page.locator("#sweep-winner")).to_contain_text("maximum clocks")
    with page.expect_download() as download:
        page.get_by_role("link", name="Bundle for the board").click()
    bundle = tmp_path / "bundle.zip"
    download.value.save_as(bundle)
    assert len(zipfile.ZipFile(bundle).namelist()) == 6

    page.get_by_role("button", name="Apply now").click()
    page.get_by_role("dialog").get_by_role("button", name="Apply now").click()
    expect(page.locator("#apply")).to_contain_text("Applied and read back", timeout=30_000)
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("#apply")).to_contain_text("Rolled back and read back", timeout=30_000)
    page.goto("/sweeps/")
    row = page.get_by_role("row", name=re.compile("to verify"))
    expect(row).to_contain_text("verified")


def test_the_cpu_clock_is_chosen_first_and_its_tab_answers_what_it_saves(page: Page):
    page.goto("/sweeps/new/?gpu_min_hz_how=found&gpu_max_hz_how=found")
    page.get_by_label("Network").select_option(label="EfficientNet-B7 (600 px)")
    page.get_by_label("Latency limit (SLO), ms").fill("400")
    page.get_by_label("Trials at most").fill("2")
    page.get_by_label("Requests per run").fill("100")
    page.get_by_label("Name").fill("two phases")
    expect(page.locator("#launch-size")).to_contain_text("Phase 1: CPU clock")
    page.get_by_role("button", name="Launch").click()
    expect(page.locator("#sweep-progress")).to_contain_text("First the CPU clock", timeout=30_000)
    until_finished(page)
    expect(page.locator("#sweep-progress")).to_contain_text("runs of the CPU phase")
    page.get_by_role("tab", name="CPU phase").click()
    panel = page.locator("#cpu")
    expect(panel).to_contain_text(re.compile("The CPU (is held at|clock stays as found)"))
    expect(panel).to_contain_text("How the latency limit is split")
    expect(panel.locator(".js-plotly-plot")).to_have_count(2)
