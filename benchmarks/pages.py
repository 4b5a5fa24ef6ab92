"""How fast every page is with 10,000 runs in 200 sweeps and 10 million samples.

    .venv/bin/python benchmarks/pages.py [--json] [--rounds 20] [--without-peer]

Starts a PolyWeb of its own under var/benchmarks/pages, fills it once with labelled synthetic rows
(`manage.py fill_database`), and asks for each page: server time (from the request to the last
byte, one at a time over one connection), queries, bytes as transferred (gzip accepted), and the
time until the first chart stands in a Chromium without cache. Beside it, in the same run and the
same Chromium: optuna-dashboard with a study of as many trials, in an environment of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "var" / "benchmarks" / "pages"
PEER = ROOT / "var" / "benchmarks" / "peer"
ACCOUNT = ("bench", "pages-of-the-benchmark")
AIM_MS, AIM_QUERIES, AIM_CHART_MS = 100.0, 12, 1000.0
PATIENCE_MS = 15_000
"""For a chart of PolyWeb; one that has not come by then counts as a miss."""
PEERS_PATIENCE_MS = 180_000
FIRST_CHART = """
// A line, bar, cell (an image) or point of a Plotly chart. The peer draws with Plotly, too: the
// first chart of its page is #plot-history, at first without a trace (looked at in version 0.21).
(() => {
  const inside = (part) => `.js-plotly-plot .main-svg ${part}`;
  const drawn = [".plot path", ".plot image", ".trace", ".point"].map(inside).join();
  const look = () => document.querySelector(drawn) && (window.firstChartMs ??= performance.now());
  new MutationObserver(look).observe(document, {childList: true, subtree: true});
})();
"""
ARGUMENTS = ("--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One page. `chart_ms`: from the start of the navigation; None: it has no chart.

    Infinite: it should have one, and none came.
    """

    page: str
    path: str
    p50_ms: float
    p95_ms: float
    queries: int | None
    kilobytes: float
    chart_ms: float | None

    @property
    def misses(self) -> list[str]:
        missed = []
        if self.p95_ms > AIM_MS:
            missed.append("time")
        if (self.queries or 0) > AIM_QUERIES:
            missed.append("queries")
        if (self.chart_ms or 0) > AIM_CHART_MS:
            missed.append("chart")
        return missed


@dataclass(frozen=True, slots=True)
class System:
    port: int
    var: Path

    @property
    def environment(self) -> dict[str, str]:
        """As the web server's, for commands beside it."""
        state = json.loads((self.var / "stack.json").read_text())
        raw = Path(f"/proc/{state['processes']['web']['pid']}/environ").read_bytes()
        pairs = (one.split("=", 1) for one in raw.decode().split("\0") if "=" in one)
        return dict(pairs)

    def manage(self, *arguments: str, text: str | None = None) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, input=text, text=True,
                              check=True, stdout=subprocess.PIPE)  # fmt: skip
        return done.stdout


def main() -> None:
    arguments, before = _arguments(), os.getloadavg()[0]
    with _system(arguments.var, arguments.port) as system:
        _fill(system, arguments)
        pages = json.loads(_last_line(system.manage("shell", "-v", "0", text=PAGES)))
        queries = json.loads(_last_line(system.manage("shell", "-v", "0", text=_queries(pages))))
        cookie = _sign_in(system.port)
        served = {name: _served(system.port, path, cookie, arguments.rounds)
                  for name, path in pages.items()}  # fmt: skip
        drawn = {name: _drawn_on(path) for name, path in pages.items() if served[name].draws}
        with _chromium() as browser:
            context = browser.new_context(base_url=f"http://127.0.0.1:{system.port}")
            context.add_cookies([{"name": "sessionid", "value": cookie.split("=", 1)[1],
                                  "url": f"http://127.0.0.1:{system.port}"}])  # fmt: skip
            found = [
                Measured(name, path, *served[name][:2], queries[name], served[name].kilobytes,
                         _chart_ms(context, drawn[name]) if name in drawn else None)
                for name, path in pages.items()
            ]  # fmt: skip
            peer = None if arguments.without_peer else _peer(browser, arguments)
    _tell(found, peer, as_json=arguments.json, load=(before, os.getloadavg()[0]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=20, help="requests for each page")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--port", type=int, default=8190)
    parser.add_argument("--var", type=Path, default=KEPT, help="kept and used again")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--peer", type=Path, default=PEER, help="the peer's environment and study")
    return parser.parse_args()


@contextmanager
def _system(var: Path, port: int) -> Iterator[System]:
    """PolyWeb under `var`, without boards: nothing else runs while pages are asked for."""
    environment = {**os.environ, "POLYWEB_VAR": str(var), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "manage.py", "up", "--port", str(port), "--no-demo", "--no-host"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:  # fmt: skip
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("ready: "):
                    break
            else:
                raise SystemExit("PolyWeb did not start:\n" + "".join(said))
            yield System(port, var)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()


def _drawn_on(path: str) -> str:
    """A panel is a fragment: it draws on its sweep's page, which opens it by its name."""
    sweep, _, panel = path.partition("panel/")
    return f"{sweep}#{panel.strip('/')}" if panel else path


def _fill(system: System, arguments: argparse.Namespace) -> None:
    """Synthetic rows where there are none, and an account that may see everything."""
    account = (
        "from django.contrib.auth.models import User\n"
        f"user, _ = User.objects.get_or_create(username={ACCOUNT[0]!r}, is_superuser=True)\n"
        f"user.set_password({ACCOUNT[1]!r}); user.save()\n"
        "from measurements.models import Run\nprint(Run.objects.count())\n"
    )
    if int(_last_line(system.manage("shell", "-v", "0", text=account))):
        return
    wanted = [f"--{name}={getattr(arguments, name)}" for name in ("runs", "sweeps", "samples")]
    print(_last_line(system.manage("fill_database", *wanted)), file=sys.stderr)


PAGES = """
import json
from django.urls import reverse
from measurements.models import Run
from tuning.models import Sweep
from tuning.views.panels import PANELS
sweep, second = Sweep.objects.filter(state="finished").order_by("pk")[:2]
run = Run.objects.done().filter(trial_run__trial__sweep=sweep).order_by("queued_at").first()
other = Run.objects.done().filter(trial_run__trial__sweep=sweep).order_by("queued_at")[1]
pages = {
    "overview": "/",
    "sweeps": "/sweeps/?view=all",
    "sweeps, by energy": "/sweeps/?sort=energy_mj",
    "sweeps, verified": "/sweeps/?winner=verified",
    "runs": "/runs/?view=all",
    "runs, by energy": "/runs/?sort=energy_mj",
    "runs, last page": "/runs/?page=200",
    "runs, searched": "/runs/?q=efficient",
    "networks": "/networks/?view=all",
    "devices": "/devices/?view=all",
    "sweep": sweep.get_absolute_url(),
    "run": run.get_absolute_url(),
    "network": run.network.get_absolute_url(),
    "device": reverse("device", args=[run.device.name]),
    "launch form": "/sweeps/new/",
}
for panel in PANELS:
    if panel.is_shown(sweep):
        pages[f"sweep: {panel.label}"] = reverse("sweep_panel", args=[sweep.pk, panel.name])
pages |= {
    "run: trace JSON": reverse("run_trace", args=[run.pk]),
    "compare two runs": reverse("compare") + f"?runs={run.pk},{other.pk}",
    "compare two sweeps": reverse("compare") + f"?sweeps={sweep.pk},{second.pk}",
    "review": reverse("review", args=[sweep.pk]),
    "reviews": reverse("reviews"),
    "notifications": reverse("notifications"),
    "CSV of all runs": reverse("list_csv", args=["runs"]),
    "Parquet of all runs": reverse("list_parquet", args=["runs"]),
}
print(json.dumps(pages))
"""


def _queries(pages: dict[str, str]) -> str:
    """A program that counts the queries of each page, the second time that it is asked for."""
    return f"""
import json
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
settings.ALLOWED_HOSTS = ["*"]
client = Client(headers={{"host": "127.0.0.1"}})
client.force_login(User.objects.get(username={ACCOUNT[0]!r}))
found = {{}}
for name, path in {pages!r}.items():
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
        b"".join(answer.streaming_content) if answer.streaming else None
    assert answer.status_code == 200, (path, answer.status_code)
    found[name] = len(queries)
print(json.dumps(found))
"""


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def _sign_in(port: int) -> str:
    """The cookie of a session, as a header says it."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/accounts/login/")
    answer = connection.getresponse()
    html, cookies = answer.read().decode(), SimpleCookie(answer.headers["Set-Cookie"])
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)[1]
    form = {"csrfmiddlewaretoken": token, "username": ACCOUNT[0], "password": ACCOUNT[1]}
    connection.request(
        "POST",
        "/accounts/login/",
        urllib.parse.urlencode(form),
        {"Content-Type": "application/x-www-form-urlencoded",
         "Cookie": f"csrftoken={cookies['csrftoken'].value}"},
    )  # fmt: skip
    answer = connection.getresponse()
    answer.read()
    said = SimpleCookie()
    for header in answer.headers.get_all("Set-Cookie", []):
        said.load(header)
    return f"sessionid={said['sessionid'].value}"


class Served(NamedTuple):
    p50_ms: float
    p95_ms: float
    kilobytes: float
    draws: bool
    """Whether it has a chart."""


def _served(port: int, path: str, cookie: str, rounds: int) -> Served:
    """One request after the other, over one connection."""
    connection = HTTPConnection("127.0.0.1", port)
    headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}
    took_ms, body = [], b""
    for number in range(rounds + 2):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}")
        if number >= 2:  # The first ones compile templates and open connections.
            took_ms.append(1e3 * (time.perf_counter() - began))
    took_ms.sort()
    rank = -(-95 * len(took_ms) // 100) - 1
    plain = gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body
    draws = b"data-figure" in plain
    return Served(statistics.median(took_ms), took_ms[rank], len(body) / 1024, draws)


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=[*ARGUMENTS, *as_root],
        )
        yield browser
        browser.close()


def _chart_ms(
    context: BrowserContext, path: str, *, patience_ms: int = PATIENCE_MS, visits: int = 3
) -> float:
    """Until the first chart has a line: the median visit, after one that warms the browser."""
    times = []
    for _ in range(1 + visits):
        page = context.new_page()
        page.add_init_script(FIRST_CHART)
        page.goto(path, wait_until="commit", timeout=patience_ms)
        times.append(_first_chart(page, patience_ms))
        page.close()
        if times[-1] == math.inf:
            return math.inf
    return statistics.median(times[1:])


def _first_chart(page: Page, patience_ms: int) -> float:
    """Asked from outside: the pages' own policy forbids Playwright's waiting functions."""
    deadline = time.monotonic() + patience_ms / 1e3
    while time.monotonic() < deadline:
        if found := page.evaluate("window.firstChartMs ?? null"):
            return found
        page.wait_for_timeout(50)
    return math.inf


def _peer(browser: Browser, arguments: argparse.Namespace) -> Measured:
    """optuna-dashboard's page of a study with as many trials as there are runs."""
    python = _peer_python(arguments.peer)
    study = arguments.peer / f"study-{arguments.runs}.sqlite3"
    code = STUDY.format(url=f"sqlite:///{study}", trials=arguments.runs)
    subprocess.run([python, "-c", code], check=True, stdout=subprocess.DEVNULL)
    port, path = arguments.port + 1, "/dashboard/studies/1"
    command = [python.parent / "optuna-dashboard", f"sqlite:///{study}", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            p50, p95, kilobytes, _ = _served(port, "/api/studies/1?after=0", "", 5)
            context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
            chart = _chart_ms(context, path, patience_ms=PEERS_PATIENCE_MS, visits=1)
        finally:
            process.terminate()
    name = f"optuna-dashboard, {arguments.runs:,} trials"
    return Measured(name, path, p50, p95, None, kilobytes, chart)


STUDY = """
import optuna, random
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage="{url}", study_name="as many", load_if_exists=True)
space = {{f"x{{n}}": optuna.distributions.FloatDistribution(0, 1) for n in range(4)}}
study.add_trials(
    optuna.trial.create_trial(params=(p := {{name: random.random() for name in space}}),
                              distributions=space, value=sum(p.values()))
    for _ in range({trials} - len(study.get_trials(deepcopy=False)))
)
"""


def _peer_python(place: Path) -> Path:
    """The peer's own environment, made once from the pins in benchmarks/requirements.txt."""
    python = place / "venv" / "bin" / "python"
    if not python.exists():
        pins = (ROOT / "benchmarks" / "requirements.txt").read_text().splitlines()
        subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
        wanted = [pin.split()[0] for pin in pins if pin.startswith("optuna")]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            HTTPConnection("127.0.0.1", port, timeout=5).connect()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("optuna-dashboard did not start")


def _tell(
    found: list[Measured], peer: Measured | None, *, as_json: bool, load: tuple[float, float]
) -> None:
    if as_json:
        rows = [_row(one) | {"misses": one.misses} for one in found]
        about = {"load_before": load[0], "load_after": load[1], "cores": os.cpu_count()}
        print(json.dumps({**about, "pages": rows, "peer": peer and _row(peer)}, indent=2))
        return
    print(f"{os.cpu_count()} cores; load average {load[0]:.1f} before, {load[1]:.1f} after.\n")
    print("| Page | p50, ms | p95, ms | Queries | kB | First chart, ms | Misses |")
    print("|---|--:|--:|--:|--:|--:|---|")
    for one in [*found, *([peer] if peer else [])]:
        chart = "–" if one.chart_ms is None else f"{one.chart_ms:,.0f}".replace("inf", "none came")
        queries = "" if one.queries is None else one.queries
        misses = ", ".join(one.misses) if one is not peer else ""
        print(f"| {one.page} | {one.p50_ms:.0f} | {one.p95_ms:.0f} | {queries} | "
              f"{one.kilobytes:.0f} | {chart} | {misses} |")  # fmt: skip
    print(f"\n{_verdict(found, peer)}")


def _row(one: Measured) -> dict[str, object]:
    """JSON has no infinity: a chart that did not come is null, and "chart" stands in the misses."""
    return asdict(one) | {"chart_ms": None if one.chart_ms == math.inf else one.chart_ms}


def _verdict(found: list[Measured], peer: Measured | None) -> str:
    charts = [one.chart_ms for one in found if one.chart_ms is not None]
    missed = [one for one in found if one.misses]
    words = f"{len(found) - len(missed)} of {len(found)} pages meet every aim"
    if peer is None or not charts or math.inf in (peer.chart_ms, *charts):
        return f"{words}; how far ahead of the peer is not known."
    ahead = sorted(peer.chart_ms / one for one in charts)
    return f"{words}; first charts come {ahead[0]:.1f} to {ahead[-1]:.1f} times as soon."


if __name__ == "__main__":
    main()
