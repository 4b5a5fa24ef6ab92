"""What a person does on the board's side: calibrate, check the sampler, correct, add, import."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import Page, expect

DEVICE = "/devices/emulated-agx-orin/"
NETWORK = "EfficientNet-B4 (380 px)"
SLOW = "EfficientNet-B7 (600 px)"
UNDER_WAY = "/lists/runs.csv?state=queued&state=running"
LONG_S = 400
LATENCIES = Path(__file__).parent.parent / "benchmarks/data/orin_nano_latency.csv"
POWERS = LATENCIES.with_name("orin_nano_power_runs.csv")
LINE = (
    "10-08-2026 04:{minute:02d}:{second:02d} RAM 6712/7620MB (lfb 12x4MB) CPU [38%@1497,off] "
    "GR3D_FREQ 99%@[612] cpu@61.5C VDD_IN 11507mW/11507mW VDD_CPU_GPU_CV 4961mW/4961mW\n"
)
METER = """
import numpy as np
from measurements.models import Device
from measurements.sessions import sessions, traces
runs = sessions(Device.objects.get(name="emulated-agx-orin"))[0].runs
ours = [run for run in runs if run.title.startswith("calibration")]
known, idle_w = traces(runs), min(run.idle_power_w for run in ours)
print("time (s);power (W)")
for n, end_s in enumerate(np.arange(ours[0].clock_zero_s - 30, known[-1].t_s[-1])):
    span = np.array([end_s - 1, end_s])
    inside = [one for one in known if one.t_s[0] <= span[0] and end_s <= one.t_s[-1]]
    watts = inside[0].joules_between(span)[0] if inside else idle_w
    print(f"{n + 1};{1.10 * watts + 1.5:.2f}")
"""
"""EMULATED: a meter outside that reads a tenth more than the board, and 1.5 W for its carrier."""


def wait_until_all_ran(page: Page) -> None:
    """Without a watcher the emulated board is as fast as this machine."""
    until_s = time.monotonic() + LONG_S
    while len(page.request.get(UNDER_WAY).text().splitlines()) > 1:
        assert time.monotonic() < until_s, page.request.get(UNDER_WAY).text()
        time.sleep(0.5)


def queue(page: Page, *, requests: int) -> None:
    page.get_by_label("Network").select_option(label=SLOW)
    page.get_by_label("Requests a run").fill(str(requests))
    page.get_by_role("button", name="Queue the runs").click()
    expect(page.get_by_text(re.compile(r"\d+ runs are queued"))).to_be_visible()
    page.goto("/runs/import/")  # no live picture there, which would slow the board down
    wait_until_all_ran(page)


def test_a_meters_csv_calibrates_the_board(system, page: Page, tmp_path: Path):
    page.goto(DEVICE)
    page.get_by_role("link", name="Calibrate").click()
    queue(page, requests=150)
    meter = tmp_path / "meter.csv"
    meter.write_text(system.manage("shell", "-v", "0", "-c", METER))
    page.goto(f"{DEVICE}calibrate/")
    page.get_by_label("The meter's CSV").set_input_files(meter)
    page.get_by_label("Meter", exact=True).fill("emulated meter")
    page.get_by_role("button", name="Calibrate").click()
    expect(page.locator(".answer")).to_contain_text("Power at the meter is 1.1")
    expect(page.locator("[data-figure=overlay] .main-svg").first).to_be_visible()
    page.get_by_text("Withdraw", exact=True).click()
    page.get_by_placeholder("Why").fill("made up for a test")
    page.get_by_role("button", name="Withdraw it now").click()
    expect(page.get_by_role("main")).to_contain_text("made up for a test")


def test_the_sampler_is_checked_by_the_boards_own_rails(page: Page):
    page.goto(DEVICE)
    page.get_by_role("link", name="Check the sampler").click()
    expect(page.get_by_label(re.compile("^sampler off"))).to_be_checked()
    page.get_by_label(re.compile("^one sample a second")).check()
    queue(page, requests=350)  # 8 s: five samples at one a second
    page.goto(f"{DEVICE}sampler-check/")
    expect(page.get_by_label("Session")).to_contain_text("50 ms against 1000 ms")
    page.get_by_role("button", name="Compare").click()
    told = page.locator("#calibration")
    expect(told).to_contain_text("sampling each 50 ms instead of each 1000 ms costs")
    expect(told).to_contain_text("the board's own rails, which miss")


def test_an_admin_corrects_which_rails_make_the_total_and_takes_it_back(page: Page):
    page.goto(DEVICE)
    page.get_by_role("link", name="Correct the total").click()
    page.get_by_label("VIN_SYS_5V0").uncheck()
    page.get_by_role("button", name="Use this total from now on").click()
    expect(page.get_by_role("main")).to_contain_text("corrected by an admin")
    page.get_by_role("link", name="Correct the total").click()
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_role("button", name="Use this total from now on").click()
    expect(page.get_by_role("main")).to_contain_text("to what the board says")
    expect(page.get_by_role("main")).not_to_contain_text("corrected by an admin")


def test_a_table_of_measurements_becomes_a_replay_board(page: Page):
    page.goto("/devices/")
    page.get_by_role("link", name="Add a replay board").first.click()
    page.get_by_label("Name of the board").fill("measured-elsewhere")
    page.get_by_label("Latency table, CSV").set_input_files(LATENCIES)
    page.get_by_label("Power runs, CSV").set_input_files(POWERS)
    page.get_by_label("Measured on").fill("Orin Nano Super")
    page.get_by_role("button", name="Add the board").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("measured-elsewhere")
    expect(page.locator(".badge.provenance").first).to_contain_text("Replay of")
    expect(page.get_by_role("main")).to_contain_text("extrapolated")


def test_a_trace_of_arrivals_is_stored_and_replayed_by_a_sweep(page: Page, tmp_path: Path):
    trace = tmp_path / "door.csv"
    trace.write_text("".join(f"{0.11 * n + 0.05 * (n % 3):.3f}\n" for n in range(300)))
    page.goto("/arrival-traces/")
    page.get_by_label("Name").fill("front door")
    page.get_by_label("File").set_input_files(trace)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("row", name=re.compile("front door"))).to_contain_text("300")
    page.goto("/sweeps/new/?cpu_phase=")
    page.get_by_label("Network").select_option(label=NETWORK)
    page.get_by_label("Requests arrive").select_option(label="replay of a trace")
    traces = page.get_by_label("Trace of arrivals")
    traces.select_option(label="front door")
    page.get_by_label("Trials at most").fill("1")
    page.get_by_label("Name").fill("At the front door")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("At the front door")
    expect(page.get_by_role("main")).to_contain_text("front door")


def test_a_large_log_is_read_in_the_background(page: Page, tmp_path: Path):
    log = tmp_path / "long.log"
    lines = (LINE.format(minute=n // 600, second=n // 10 % 60) for n in range(14_000))
    log.write_text("".join(lines))
    page.goto("/runs/import/")
    page.get_by_label("Log", exact=True).set_input_files(log)
    page.get_by_label("Interval, ms").fill("100")
    page.get_by_label("Requests served in the window").fill("700")
    page.get_by_role("button", name="Import").click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"), timeout=60_000)
    expect(page.get_by_role("main")).to_contain_text("per request")
