"""A PolyWeb of its own for benchmarks/pages.py: started, filled, asked for each page."""

from __future__ import annotations

import gzip
import json
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
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = ("bench", "pages-of-the-benchmark")


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


@contextmanager
def started(var: Path, port: int) -> Iterator[System]:
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


def fill(system: System, *, runs: int, sweeps: int, samples: int) -> None:
    """Synthetic rows where there are none, and an account that may see everything."""
    account = (
        "from django.contrib.auth.models import User\n"
        f"user, _ = User.objects.get_or_create(username={ACCOUNT[0]!r}, is_superuser=True)\n"
        f"user.set_password({ACCOUNT[1]!r}); user.save()\n"
        "from measurements.models import Run\nprint(Run.objects.count())\n"
    )
    if int(_last_line(system.manage("shell", "-v", "0", text=account))):
        return
    wanted = [f"--runs={runs}", f"--sweeps={sweeps}", f"--samples={samples}"]
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


def pages_of(system: System) -> dict[str, str]:
    """Each page's name and path."""
    return json.loads(_last_line(system.manage("shell", "-v", "0", text=PAGES)))


def queries_of(system: System, pages: dict[str, str]) -> dict[str, int]:
    """How many queries each page makes."""
    return json.loads(_last_line(system.manage("shell", "-v", "0", text=_queries(pages))))


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


def sign_in(port: int) -> str:
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


def served(port: int, path: str, cookie: str, rounds: int) -> Served:
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
