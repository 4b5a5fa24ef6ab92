"""Take a picture of every page, full and empty, light and dark, 1280 and 390 px wide, to look at.

    .venv/bin/python docs/every_page.py [--to /tmp/every-page] [--only PATTERN] [--state full|empty]

Starts a system of its own, brings it into a state with something of everything (a verified
sweep, one in two phases, a front, one that nothing satisfies, a review, synthetic rows), and
leaves one sheet a page: its four pictures side by side. Says which page is wider than its
window, and what the browser's console complains of. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tour import CHECKOUT, NARROW, WIDE, Tour, demo_finished, started

PATIENCE_MS = 180_000
LISTS = (
    "/", "/sweeps/", "/runs/", "/networks/", "/devices/", "/reviews/", "/audit/",
    "/notifications/", "/notifications/choices/", "/webhooks/", "/arrival-traces/", "/units/",
    "/evidence/import/", "/runs/import/", "/networks/upload/", "/devices/new/",
    "/devices/new/replay/", "/sweeps/new/", "/accounts/password/", "/compare/", "/nowhere/",
)  # fmt: skip
TABS = ("", "maps", "energy-latency", "convergence", "knobs", "rails", "what-if", "winner",
        "trials", "cpu", "board-time", "review", "settings")  # fmt: skip
SMALL = "gpu_min_hz_how=found&gpu_max_hz_how=nth&cpu_phase=&batch_sizes=1&batch_sizes=4"


def launched(page: Page, name: str, query: str, *, slo_ms: str, goal: str = "") -> str:
    """A sweep that has ended; its path."""
    page.goto(f"/sweeps/new/?{query}")
    page.get_by_label("Network").select_option(label="EfficientNet-B0 (224 px)")
    page.get_by_label("Latency limit (SLO), ms").fill(slo_ms)
    if goal:
        page.get_by_label("Look for").select_option(goal)
    page.get_by_label("Trials at most").fill("6")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Launch").click()
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=PATIENCE_MS)
    return re.sub(r"https?://[^/]+|#.*", "", page.url)


def filled(tour: Tour, var: Path) -> list[str]:
    """Do what people do; the pages to look at."""
    page = tour.page()
    demo = re.sub(r"https?://[^/]+|#.*", "", demo_finished(page))
    front = launched(page, "A front", SMALL, slo_ms="200", goal="pareto")
    none = launched(page, "Nothing is fast enough", SMALL, slo_ms="0.5")
    phases = launched(page, "Two phases", "gpu_max_hz_how=nth", slo_ms="200")
    page.goto(demo)
    page.get_by_role("button", name="Verify", exact=True).click()
    page.goto(f"{demo}review/")
    page.get_by_label("What to look at").fill("Is batch 4 worth it? See #trial-7.")
    page.get_by_role("button", name="Request a review").click()
    page.get_by_label("Comment", exact=True).fill("Memory at its top: **as expected**.")
    page.get_by_role("button", name="Comment", exact=True).click()
    page.goto(demo)
    expect(page.locator("#sweep-standing")).to_have_text(
        re.compile("^(verified|not confirmed)"), timeout=PATIENCE_MS
    )
    run = _first(page, f"{demo}#trials", "#sweep-trials a[href^='/runs/']")
    other = _first(page, f"{front}#trials", "#sweep-trials a[href^='/runs/']")
    network = _first(page, "/networks/", "main a[href^='/networks/']:not([href*=upload])")
    subprocess.run(
        [sys.executable, "manage.py", "fill_database", "--beside", "--runs", "400",
         "--sweeps", "8", "--samples", "80000"],
        cwd=CHECKOUT, env={**os.environ, "POLYWEB_VAR": str(var)}, check=True,
    )  # fmt: skip
    device = "/devices/emulated-agx-orin/"
    return [
        *LISTS,
        *(demo + (f"#{tab}" if tab else "") for tab in TABS),
        *(f"{front}#{tab}" for tab in ("maps", "energy-latency", "convergence", "winner")),
        *(f"{none}#{tab}" for tab in ("maps", "energy-latency", "what-if")),
        *(f"{phases}#{tab}" for tab in ("cpu", "board-time")),
        *(f"{demo}{deed}/" for deed in ("extend", "fork", "review")),
        f"/compare/?sweeps={_key(demo)},{_key(front)}",
        *(run, f"/compare/?runs={_key(run)},{_key(other)}"),
        *(network, device),
        *(f"{device}{page}/" for page in ("calibrate", "sampler-check", "total")),
    ]


def _first(page: Page, path: str, selector: str) -> str:
    page.goto("about:blank")
    page.goto(path)
    href = page.locator(selector).first.get_attribute("href")
    assert href
    return href


def _key(path: str) -> str:
    return path.strip("/").split("/")[-1]


def look(tour: Tour, state: str, paths: Iterable[str]) -> None:
    """One sheet a path."""
    windows = [
        (size, scheme, tour.page(size, scheme))
        for size, scheme in itertools.product((WIDE, NARROW), ("light", "dark"))
    ]
    for _, _, page in windows:
        page.on("console", lambda said: said.type == "error" and print("  console:", said.text))
        page.on("pageerror", lambda error: print("  page error:", error))
    for path in paths:
        name = f"{state}-{re.sub(r'[^a-z0-9]+', '-', path.lower()).strip('-') or 'overview'}"
        taken = []
        for size, scheme, page in windows:
            page.goto("about:blank")
            page.goto(path)
            page.wait_for_timeout(1200)  # tabs and charts are fetched after the page
            page.evaluate("window.scrollTo(0, 0)")
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > size["width"]:
                print(f"  wider than its window: {path}, {wide} of {size['width']} px")
            taken.append(tour.to / f"{name}-{size['width']}-{scheme}.png")
            page.screenshot(path=taken[-1], full_page=True)
        sheet(tour.browser, taken, tour.to / "sheets" / f"{name}.png")
        print(name, flush=True)


def sheet(browser: Browser, pictures: list[Path], to: Path) -> None:
    page = browser.new_page(viewport={"width": 1720, "height": 300})
    widths = [620, 620, 215, 215]
    images = "".join(
        f'<img src="{picture.as_uri()}" width="{width}">'
        for picture, width in zip(pictures, widths, strict=True)
    )
    html = to.with_suffix(".html")
    html.parent.mkdir(exist_ok=True)
    html.write_text(f'<body style="display:flex;gap:8px;align-items:start">{images}')
    page.goto(html.as_uri())
    page.screenshot(path=to, full_page=True)
    page.close()
    html.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="pages whose path this pattern finds")
    parser.add_argument("--state", choices=("full", "empty"))
    parser.add_argument("--to", type=Path, default=Path("/tmp/every-page"))
    asked = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--disable-background-networking", *as_root]
        )
        for state in ("empty", "full"):
            if asked.state in (None, state):
                _state(browser, state, asked)
        browser.close()


def _state(browser: Browser, state: str, asked: argparse.Namespace) -> None:
    options = ["--no-demo", "--no-host"] if state == "empty" else ["--no-host"]
    with tempfile.TemporaryDirectory() as home:
        var = Path(home) / "var"
        with started(var, *options) as (url, password):
            tour = Tour(browser, url, password, asked.to)
            paths = LISTS if state == "empty" else filled(tour, var)
            look(tour, state, [path for path in paths if re.search(asked.only, path)])


if __name__ == "__main__":
    main()
