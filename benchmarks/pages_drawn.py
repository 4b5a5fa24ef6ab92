"""When the first chart of a page stands in Chromium, for benchmarks/pages.py."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from playwright.sync_api import BrowserContext, Page, sync_playwright

PATIENCE_MS = 15_000
"""For a chart of PolyWeb; one that has not come by then counts as a miss."""
SETTLES_MS = 500
"""A visit goes on for so long after its first chart, since the browser writes its cache then."""
FIRST_CHART = """
// A line, bar, cell (an image) or point of a Plotly chart. The peer draws with Plotly, too: the
// first chart of its page is #plot-history, at first without a trace (looked at in version 0.21).
(() => {
  const inside = (part) => `.js-plotly-plot .main-svg ${part}`;
  const drawn = [".plot path", ".heatmaplayer image", ".trace", ".point"].map(inside).join();
  const look = () => document.querySelector(drawn) && (window.firstChartMs ??= performance.now());
  new MutationObserver(look).observe(document, {childList: true, subtree: true});
})();
"""
ARGUMENTS = ("--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip


def drawn_on(path: str) -> str:
    """A panel is a fragment: it draws on its sweep's page, which opens it by its name."""
    sweep, _, panel = path.partition("panel/")
    return f"{sweep}#{panel.strip('/')}" if panel else path


@contextmanager
def _chromium(port: int, cookie: str) -> Iterator[BrowserContext]:
    """A browser with a profile of its own, new and on disk: it keeps what a reader's keeps."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright, TemporaryDirectory(prefix="polyweb-profile-") as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=[*ARGUMENTS, *as_root],
            base_url=f"http://127.0.0.1:{port}",
        )
        if cookie:
            context.add_cookies([{"name": "sessionid", "value": cookie.split("=", 1)[1],
                                  "url": f"http://127.0.0.1:{port}"}])  # fmt: skip
        yield context
        context.close()


def charts_ms(
    port: int, path: str, cookie: str, *, patience_ms: int = PATIENCE_MS, later: int = 3
) -> tuple[float, float]:
    """Until the first chart stands: on the first visit, and the median of `later` visits.

    Between them one more: Chromium keeps a script's compiled code from its second use on.
    """
    times = []
    with _chromium(port, cookie) as context:
        for _ in range(2 + later):
            page = context.new_page()
            page.add_init_script(FIRST_CHART)
            page.goto(path, wait_until="commit", timeout=patience_ms)
            times.append(_first_chart(page, patience_ms))
            page.wait_for_timeout(SETTLES_MS)
            page.close()
            if times[-1] == math.inf:
                return times[0], math.inf
    return times[0], statistics.median(times[2:])


def _first_chart(page: Page, patience_ms: int) -> float:
    """Asked from outside: the pages' own policy forbids Playwright's waiting functions."""
    deadline = time.monotonic() + patience_ms / 1e3
    while time.monotonic() < deadline:
        if found := page.evaluate("window.firstChartMs ?? null"):
            return found
        page.wait_for_timeout(50)
    return math.inf
