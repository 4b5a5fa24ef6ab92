"""Gives the tests a PostgreSQL and a Valkey of their own, before Django reads its settings.

Each pytest process starts its own pair in a temporary directory and stops it at its
end. With DATABASE_URL or REDIS_URL set, those servers are used instead. The test
database is named by POLYWEB_TEST_DB (default test_polyweb).
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from polyweb.stack.postgres import FAST, Postgres
from polyweb.stack.program import Program
from polyweb.stack.valkey import Valkey

hypothesis.settings.register_profile("polyweb", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("polyweb")

HOME = Path(tempfile.mkdtemp(prefix="polyweb-tests-"))
RUNNING: list[tuple[Program, "subprocess.Popen[bytes]"]] = []
EMBEDDED = "POLYWEB_TEST_SERVERS"  # tells tests that a server is the embedded one
OURS = ["DJANGO_SETTINGS_MODULE", EMBEDDED]  # what each process of pytest-xdist sets for itself


def _start(program: Program, answers: Callable[[], bool]) -> None:
    process = program.spawn(HOME / f"{program.name}.log")
    RUNNING.append((program, process))
    deadline_s = time.monotonic() + 30
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise pytest.UsageError((HOME / f"{program.name}.log").read_text()[-2000:])
        time.sleep(0.02)


def _serve(url_name: str, server: Postgres | Valkey) -> None:
    server.initialise()
    _start(server.program(), server.answers)
    os.environ[url_name] = server.url
    os.environ[EMBEDDED] = "yes"
    OURS.append(url_name)


def _prepare() -> None:
    if "DATABASE_URL" not in os.environ:
        _serve("DATABASE_URL", Postgres.at(HOME / "postgres", settings=FAST))
    if "REDIS_URL" not in os.environ:
        _serve("REDIS_URL", Valkey.at(HOME / "valkey"))
    (HOME / "var" / "static").mkdir(parents=True)
    os.environ["POLYWEB_VAR"] = str(HOME / "var")
    os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
    os.environ["DJANGO_SETTINGS_MODULE"] = "polyweb.settings"


_prepare()


def pytest_configure() -> None:
    """Settings that only tests want: no hashed file names, quick password hashes."""
    from django.conf import settings

    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES["staticfiles"]["BACKEND"] = plain
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    name = os.environ.get("POLYWEB_TEST_DB", "test_polyweb")
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = name


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Processes of pytest-xdist start now: each is to have a PostgreSQL and a Valkey of its own."""
    if session.config.getoption("numprocesses", default=None):
        for name in OURS:
            os.environ.pop(name, None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: the quick ones tell first, and Playwright's loop disturbs nobody."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_unconfigure() -> None:
    for program, process in reversed(RUNNING):
        process.send_signal(program.stop_signal)
    for _, process in RUNNING:
        process.wait(timeout=30)
    shutil.rmtree(HOME, ignore_errors=True)
