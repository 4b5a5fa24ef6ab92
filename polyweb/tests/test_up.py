import socket

import pytest
from django.contrib.auth import get_user_model

from polyweb.stack import environment, stages, up
from polyweb.stack.errors import StackError

pytestmark = pytest.mark.django_db


def options(host="127.0.0.1", port=8000):
    return up.Options(host=host, port=port, demo=True)


def test_a_port_in_use_is_said_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"{port}.*in use.*--port {port + 1}"):
            up.check_address(options(port=port))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_passwords_in_clear_off_loopback_are_refused(host):
    with pytest.raises(StackError, match="PUBLIC_URL=https"):
        up.check_address(options(host=host))


def test_an_address_that_is_not_this_machines_is_said(settings):
    settings.ON_TLS = True
    with pytest.raises(StackError, match="Cannot listen on 192.0.2.1"):
        up.check_address(options(host="192.0.2.1"))


def test_a_host_that_is_no_address_is_said():
    with pytest.raises(StackError, match="'nonsense' is no IP address"):
        up.check_address(options(host="nonsense"))


def test_the_first_account_gets_a_random_password_that_is_shown_once(capsys):
    stages.account()
    password = capsys.readouterr().out.split("password ")[1].split()[0]
    admin = get_user_model().objects.get(username="admin")
    assert admin.check_password(password) and len(password) >= 16
    assert [group.name for group in admin.groups.all()] == ["admin"]
    stages.account()
    assert "changepassword admin" in capsys.readouterr().out
    assert get_user_model().objects.get().check_password(password)


def test_a_full_disk_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "NEEDED_BYTES", 2**60)
    monkeypatch.setenv("POLYWEB_VAR", str(tmp_path / "var"))
    with pytest.raises(SystemExit, match="is full.*POLYWEB_VAR"), environment.plainly_failing():
        environment.prepare(["up"])


def test_a_disk_that_fills_while_starting_is_one_message():
    with pytest.raises(SystemExit, match="No space left"), environment.plainly_failing():
        raise OSError(28, "No space left on device")


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError), environment.plainly_failing():
        raise ZeroDivisionError
