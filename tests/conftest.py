"""The whole system, started as a person starts it, and a browser that is signed in to it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from polyweb.stack import ports

CHECKOUT = Path(__file__).resolve().parent.parent
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OF_THE_TESTS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL", "DJANGO_SETTINGS_MODULE")


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    password: str


@dataclass(slots=True)
class System:
    """`manage.py up` in a directory of its own, with its own PostgreSQL and Valkey."""

    var: Path
    port: int
    options: tuple[str, ...] = ()
    admin: Account | None = None
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        given = {name: value for name, value in os.environ.items() if name not in OF_THE_TESTS}
        return {**given, "POLYWEB_VAR": str(self.var), "PYTHONUNBUFFERED": "1"}

    @property
    def processes(self) -> dict[str, int]:
        """Name -> pid of what runs now: database, broker, web, tuner, beat and the board."""
        state = json.loads((self.var / "stack.json").read_text())
        return {name: one["pid"] for name, one in state["processes"].items()}

    def log(self, name: str) -> str:
        return (self.var / "log" / f"{name}.log").read_text()

    def manage(self, *arguments: str) -> str:
        """The output of a management command beside the running system."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command,
            cwd=CHECKOUT,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=240,
        ).stdout

    def start(self) -> list[str]:
        """Start and wait until it is ready; the lines it printed."""
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line.rstrip())
            if line.startswith("ready: "):
                break
        else:
            self.process.communicate(timeout=60)
            raise AssertionError("the system did not start:\n" + "\n".join(lines))
        if found := re.search(r"sign in as (\S+) with password (\S+)", "\n".join(lines)):
            self.admin = Account(*found.groups())
        return lines

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system with the emulated board and the demo sweep, once for all tests."""
    system = System(tmp_path_factory.mktemp("whole") / "var", ports.any_free())
    system.start()
    yield system
    system.stop()


@pytest.fixture
def own_system(tmp_path: Path) -> Iterator[System]:
    """A system for one test alone, not started yet, without the demo."""
    system = System(tmp_path / "var with space", ports.any_free(), ("--no-demo",))
    yield system
    if system.process is not None and system.process.poll() is None:
        system.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=20_000)  # A busy machine is slow, not wrong.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *as_root])
        yield browser
        browser.close()


@pytest.fixture
def page(system: System, browser: Browser) -> Iterator[Page]:
    """A fresh Chromium page, signed in as the admin, on the first page."""
    context = browser.new_context(base_url=system.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("input[name=username]", system.admin.name)
    page.fill("input[name=password]", system.admin.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/accounts/login/" not in url)
    yield page
    context.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the whole system or a browser is slow, and is marked so."""
    for item in items:
        if {"system", "own_system", "browser", "page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)
