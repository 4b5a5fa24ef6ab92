"""The system as a person meets it at the command line."""

import os
import signal
import stat
import time

import psutil
import pytest


def until(happened, *, within_s=40.0):
    deadline_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_a_signed_in_admin_sees_the_first_page(page):
    assert page.locator("nav").first.is_visible()


def test_the_demo_board_is_registered_and_its_secrets_are_its_owners_only(system):
    directory = system.var / "boards" / "emulated-agx-orin"
    modes = {name: stat.S_IMODE((directory / name).stat().st_mode) for name in ("token", "broker")}
    assert modes == {"token": 0o600, "broker": 0o600}
    code = (
        "from measurements.models import Device\n"
        "print(Device.objects.get(name='emulated-agx-orin').registered_at)"
    )
    assert system.manage("shell", "-v", "0", "-c", code).strip() not in ("", "None")


def test_the_board_gets_no_secret_of_the_server(system):
    environment = psutil.Process(system.processes["emulated-agx-orin"]).environ()
    assert not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} & set(environment)


def test_a_killed_web_server_is_back_by_itself(system):
    web = system.processes["web"]
    os.kill(web, signal.SIGKILL)
    until(lambda: system.processes["web"] != web)


def test_stopped_and_started_again_it_has_its_data_and_no_second_account(own_system):
    own_system.start()
    admin = own_system.admin
    assert own_system.stop() == 0
    assert not (own_system.var / "stack.json").exists()
    lines = own_system.start()
    assert own_system.admin is admin and any("changepassword admin" in line for line in lines)


def test_a_second_start_is_refused_and_the_first_goes_on(own_system):
    own_system.start()
    running = own_system.processes
    second = type(own_system)(own_system.var, own_system.port)
    with pytest.raises(AssertionError, match="PolyWeb already runs on"):
        second.start()
    assert second.process.returncode == 1
    assert own_system.processes == running


def test_after_a_kill_the_next_start_finds_no_orphan_and_all_data(own_system):
    own_system.start()
    processes = [psutil.Process(pid) for pid in own_system.processes.values()]
    own_system.stop(signal.SIGKILL)
    lines = own_system.start()
    assert any("changepassword admin" in line for line in lines)
    assert not psutil.wait_procs(processes, timeout=10)[1]


def test_a_killed_database_is_back_by_itself(own_system):
    own_system.start()
    database = own_system.processes["database"]
    os.kill(database, signal.SIGKILL)
    until(lambda: own_system.processes["database"] != database)
    until(lambda: "admin" in accounts(own_system))


def accounts(system):
    code = "from django.contrib.auth.models import User\nprint(User.objects.get())"
    try:
        return system.manage("shell", "-v", "0", "-c", code)
    except Exception as error:
        return str(type(error))
