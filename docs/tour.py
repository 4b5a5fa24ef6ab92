"""Take the pictures of docs/tour.md: start a system of its own, do what a person does, look.

    .venv/bin/python docs/tour.py [--only NAME] [--to docs/tour]

Takes two to four minutes. Chromium: Debian's package, or its path in CHROMIUM.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHECKOUT = Path(__file__).resolve().parent.parent
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
PATIENCE_MS = 180_000


@contextlib.contextmanager
def started(var: Path, *options: str) -> Iterator[tuple[str, str]]:
    """A fresh system under `var`, stopped at the end: its URL and the admin's password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "manage.py", "up", "--port", str(port), *options]
    environment = {**os.environ, "POLYWEB_VAR": str(var), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("ready: "):
                break
        try:
            found = re.search(r"with password (\S+)", "".join(printed))
            if found is None:
                raise SystemExit("the system did not start:\n" + "".join(printed))
            yield f"http://127.0.0.1:{port}", found.group(1)
        finally:
            process.terminate()
            process.stdout.read()  # what it says while stopping


class Tour:
    """One picture a stop; `page` is signed in."""

    def __init__(self, browser: Browser, url: str, password: str, to: Path) -> None:
        self.browser, self.url, self.password, self.to = browser, url, password, to
        self.to.mkdir(parents=True, exist_ok=True)

    def page(self, size: dict[str, int] = WIDE, scheme: str = "light") -> Page:
        context = self.browser.new_context(
            base_url=self.url, viewport=size, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto("/accounts/login/")
        if not (self.to / "sign-in.png").exists():
            self.picture(page, "sign-in")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", self.password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
        return page

    def picture(self, page: Page, name: str, *, full: bool = False) -> None:
        page.wait_for_timeout(700)  # fonts and charts settle
        page.screenshot(path=self.to / f"{name}.png", full_page=full)
        print(f"{name}.png", flush=True)


def demo_finished(page: Page) -> str:
    """Wait for the demo sweep; its path."""
    page.goto("/sweeps/")
    page.get_by_role("link", name=re.compile("First look")).first.click()
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=PATIENCE_MS)
    return page.url


def launch_and_live(tour: Tour) -> None:
    page = tour.page()
    page.goto("/sweeps/new/")
    page.get_by_label("Network").select_option(label="EfficientNet-B7 (600 px)")
    page.get_by_label("Latency limit (SLO), ms").fill("400")
    expect(page.locator("#launch-size")).to_contain_text("points")
    tour.picture(page, "launch", full=True)
    page.get_by_role("button", name="Launch").click()
    page.get_by_role("tab", name="Live").click()
    expect(page.locator("#live [data-rail=total]")).to_have_text(
        re.compile(r"\d"), timeout=PATIENCE_MS
    )
    page.wait_for_timeout(8000)  # let the trace run
    tour.picture(page, "live")
    page.goto("/")
    page.wait_for_timeout(3000)
    tour.picture(page, "overview")
    page.go_back()
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_role("button", name="Cancel the sweep").click()


def sweep_and_run(tour: Tour) -> None:
    page = tour.page()
    sweep = demo_finished(page)
    tour.picture(page, "sweep")
    page.get_by_role("tab", name="Energy vs latency").click()
    tour.picture(page, "energy-latency")
    for tab in ("Convergence", "Knobs"):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(f"#{tab.lower()} .js-plotly-plot").first).to_be_visible()
        tour.picture(page, tab.lower(), full=True)
    page.get_by_role("tab", name="Trials").click()
    tour.picture(page, "trials")
    page.locator("#sweep-trials tr.best a[href^='/runs/']").first.click()
    tour.picture(page, "run", full=True)
    page.get_by_role("link", name="Compare with…").click()
    page.locator("input[name=run][type=checkbox]").first.check()
    page.get_by_role("button", name="Compare").click()
    page.locator(".js-plotly-plot").first.wait_for()
    tour.picture(page, "compare", full=True)
    for size, scheme, name in ((WIDE, "dark", "sweep-dark"), (NARROW, "light", "sweep-phone")):
        other = tour.page(size, scheme)
        other.goto(sweep)
        tour.picture(other, name)


def cpu_phase(tour: Tour) -> None:
    """A sweep in two phases, to its end: what its CPU clock saves."""
    page = tour.page()
    page.goto("/sweeps/new/?gpu_min_hz_how=found&gpu_max_hz_how=found")
    page.get_by_label("Network").select_option(label="EfficientNet-B7 (600 px)")
    page.get_by_label("Latency limit (SLO), ms").fill("400")
    page.get_by_label("Trials at most").fill("2")
    page.get_by_role("button", name="Launch").click()
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=PATIENCE_MS)
    page.get_by_role("tab", name="CPU phase").click()
    expect(page.locator("#cpu .js-plotly-plot")).to_have_count(2, timeout=PATIENCE_MS)
    tour.picture(page, "cpu-phase", full=True)


def lists(tour: Tour) -> None:
    page = tour.page()
    for path, name in (
        ("/networks/", "networks"),
        ("/devices/emulated-agx-orin/", "device"),
        ("/devices/emulated-agx-orin/sampler-check/", "sampler-check"),
        ("/runs/import/", "import"),
        ("/units/", "units"),
    ):
        page.goto(path)
        tour.picture(page, name, full=name in ("device", "sampler-check"))
    page.goto("/networks/")
    page.get_by_role("link", name=re.compile("EfficientNet-B4")).click()
    tour.picture(page, "network")


def review(tour: Tour) -> None:
    """The demo sweep has no launcher, so the admin may ask and judge."""
    page = tour.page()
    path = demo_finished(page).split("#")[0] + "review/"
    page.goto(path)
    page.get_by_label("What to look at").fill("Is batch 4 worth it? See #trial-7.")
    page.get_by_role("button", name="Request a review").click()
    expect(page.locator("#review-state")).to_have_text("in review")
    page.get_by_label("Comment", exact=True).fill("Memory at its top: **as expected**.")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".markdown strong")).to_be_visible()
    tour.picture(page, "review", full=True)
    for path, name in (("/reviews/", "reviews"), ("/audit/", "audit")):
        page.goto(path)
        tour.picture(page, name)


STOPS: dict[str, Callable[[Tour], None]] = {
    "sweep": sweep_and_run,
    "launch": launch_and_live,
    "cpu-phase": cpu_phase,
    "lists": lists,
    "review": review,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=STOPS)
    parser.add_argument("--to", type=Path, default=CHECKOUT / "docs" / "tour")
    options = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--disable-background-networking", *as_root]
        )
        with started(Path(home) / "var") as (url, password):
            tour = Tour(browser, url, password, options.to)
            for name, stop in STOPS.items():
                if options.only in (None, name):
                    stop(tour)
        browser.close()


if __name__ == "__main__":
    main()
