"""What a person does, in a real Chromium against the whole system."""

from __future__ import annotations

import csv
import os
import re
import signal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from measurements import zoo

DEMO = "First look"
LINE = (
    "10-08-2026 04:35:{second:02d} RAM 6712/7620MB (lfb 12x4MB) CPU [38%@1497,2%@729,off,off] "
    "EMC_FREQ 61%@2133 GR3D_FREQ 99%@[612] NVDEC off NEWTHING cpu@61.5C VDD_IN 11507mW/11507mW "
    "VDD_CPU_GPU_CV 4961mW/4961mW VDD_SOC 2484mW/2484mW\n"
)
LONG_MS = 90_000
PAGES = (
    "/",
    "/sweeps/",
    "/sweeps/new/",
    "/runs/",
    "/runs/import/",
    "/networks/",
    "/networks/upload/",
    "/devices/",
    "/devices/emulated-agx-orin/",
)


def launch(page: Page, *, name: str, trials: int, requests: int = 300) -> None:
    """Fill in the launch form and press the button; ends on the sweep's page."""
    page.goto("/sweeps/new/?cpu_phase=")
    page.get_by_label("Network").select_option(label="EfficientNet-B4 (380 px)")
    page.get_by_label("Trials at most").fill(str(trials))
    page.get_by_label("Requests per run").fill(str(requests))
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def wait_until_finished(page: Page) -> None:
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=LONG_MS)


@pytest.fixture
def finished(page: Page) -> Page:
    """On the page of the demo sweep, once it has ended."""
    page.goto("/sweeps/")
    page.get_by_role("link", name=re.compile(DEMO)).first.click()
    wait_until_finished(page)
    return page


def test_sign_in_is_refused_with_a_wrong_password_and_ends_with_signing_out(
    system, browser: Browser
):
    page = browser.new_context(base_url=system.url).new_page()
    page.goto("/runs/")
    page.get_by_label("Username").fill(system.admin.name)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(system.admin.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    page.get_by_label(re.compile("^Account")).first.click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/runs/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_an_uploaded_network_is_described_from_its_graph(page: Page, tmp_path: Path):
    graph = tmp_path / "mine.onnx"
    zoo.write("efficientnet-b0", graph)
    graph.write_bytes(graph.read_bytes() + b"\x72\x00")  # an empty doc string: another file
    page.goto("/networks/")
    page.get_by_role("link", name="Upload network").click()
    page.get_by_label("File").set_input_files(graph)
    page.get_by_label("Name").fill("my own B0")
    page.get_by_role("button", name="Upload network").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("my own B0", timeout=30_000)
    expect(page.get_by_role("main")).to_contain_text("5.29")
    expect(page.get_by_role("main")).to_contain_text("386 MMAC")


def test_a_file_that_is_no_network_is_refused_at_its_field(page: Page, tmp_path: Path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"this is not a graph" * 100)
    page.goto("/networks/upload/")
    page.get_by_label("File").set_input_files(bad)
    page.get_by_label("Name").fill("kept")
    page.get_by_role("button", name="Upload network").click()
    expect(page.locator(".field .error, .field .errorlist").first).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("kept")


def test_a_sweep_is_launched_and_watched_live_to_its_end(page: Page):
    launch(page, name="watched", trials=3)
    page.get_by_role("tab", name="Live").click()
    expect(page.locator("[data-trace-dot]")).to_have_attribute("data-live", "connected")
    total = page.locator("#live [data-rail=total]")
    expect(total).to_have_text(re.compile(r"\d"), timeout=30_000)
    shown = total.inner_text()
    expect(total).not_to_have_text(shown, timeout=15_000)
    wait_until_finished(page)
    page.get_by_role("tab", name="Trials").click()
    expect(page.locator("#sweep-trials tbody tr")).to_have_count(3)


def test_the_live_trace_comes_back_after_the_server_was_killed(system, page: Page):
    launch(page, name="server killed", trials=6)
    page.get_by_role("tab", name="Live").click()
    dot = page.locator("[data-trace-dot]")
    expect(dot).to_have_attribute("data-live", "connected")
    os.kill(system.processes["web"], signal.SIGKILL)
    expect(dot).to_have_attribute("data-live", "reconnecting", timeout=15_000)
    expect(dot).to_have_attribute("data-live", "connected", timeout=45_000)
    wait_until_finished(page)


def test_a_sweep_is_paused_resumed_and_cancelled(page: Page):
    launch(page, name="steered", trials=12, requests=1000)
    page.get_by_role("button", name="Pause").first.click()
    expect(page.locator("#sweep-state")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#sweep-state")).to_contain_text("running")
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_role("button", name="Cancel the sweep").click()
    expect(page.locator("#sweep-state")).to_contain_text("cancelled")


def test_the_form_says_at_the_field_what_cannot_be_launched(page: Page):
    page.goto("/sweeps/new/")
    page.get_by_label("Energy counted").select_option("at_rate")
    page.get_by_label("Name").fill("kept as typed")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was launched")
    expect(page.locator(".field .error, .field .errorlist").first).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("kept as typed")


def test_the_size_of_the_space_follows_what_is_chosen(page: Page):
    page.goto("/sweeps/new/")
    size = page.locator("#launch-size")
    before = size.inner_text()
    page.get_by_label("GPU clock, lower limit: which").select_option("all")
    expect(size).not_to_have_text(before)
    expect(size).to_contain_text("points")


def test_the_best_run_is_opened_from_its_sweep(finished: Page):
    finished.get_by_role("tab", name="Trials").click()
    finished.locator("#sweep-trials tr.best a[href^='/runs/']").first.click()
    expect(finished).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"))
    expect(finished.get_by_role("main")).to_contain_text("per request")
    expect(finished.locator(".js-plotly-plot").first).to_be_visible()
    expect(finished.get_by_text("emulated").first).to_be_visible()


def test_a_cell_of_the_heat_map_opens_its_run(finished: Page):
    chart = finished.locator("#maps .js-plotly-plot .nsewdrag").first
    chart.wait_for()
    box = chart.bounding_box()
    finished.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5)
    expect(finished).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"))


def test_the_trials_are_downloaded_as_csv(finished: Page, tmp_path: Path):
    with finished.expect_download() as download:
        finished.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "trials.csv")
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert len(rows) == 24
    assert all(float(row["energy_j_per_request"]) > 0 for row in rows)
    assert {row["provenance"] for row in rows} == {"emulated"}


def test_a_tegrastats_log_becomes_a_run_with_joules_per_request(page: Page, tmp_path: Path):
    log = tmp_path / "run.log"
    log.write_text("".join(LINE.format(second=second) for second in range(40)))
    page.goto("/runs/import/")
    page.get_by_label("Log", exact=True).set_input_files(log)
    page.get_by_label("Interval, ms").fill("1000")
    page.get_by_label("Requests served in the window").fill("20")
    page.get_by_role("button", name="Import").click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"))
    expect(page.get_by_role("main")).to_contain_text("per request")
    expect(page.get_by_role("main")).to_contain_text(re.compile("no device", re.I))
    expect(page.get_by_role("main")).to_contain_text("NEWTHING")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_accessibility(finished: Page, scheme: str):
    sweep = finished.url
    finished.get_by_role("tab", name="Trials").click()
    run = finished.locator("#sweep-trials tr.best a[href^='/runs/']").first.get_attribute("href")
    finished.emulate_media(color_scheme=scheme)
    found = {}
    for path in (sweep, run, *PAGES):
        finished.goto(path)
        result = Axe().run(finished)
        if result.violations_count:
            found[path] = result.generate_report()
    assert not found, "\n".join(f"{path}: {report}" for path, report in found.items())
