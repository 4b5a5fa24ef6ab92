import hashlib

import pytest
from django.core.management import CommandError, call_command

from measurements.models import Device, DeviceToken

pytestmark = pytest.mark.django_db


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_token_is_written_for_its_owner_and_kept_as_a_hash_only(tmp_path):
    out = tmp_path / "token"
    call_command("board_token", "orin-1", "--out", str(out))
    token = out.read_text().strip()
    row = DeviceToken.objects.get()
    assert mode(out) == 0o600
    assert row.sha256 == hashlib.sha256(token.encode()).hexdigest() and row.device.name == "orin-1"


def test_a_second_token_is_of_the_same_device(tmp_path):
    for name in ("a", "b"):
        call_command("board_token", "orin-1", "--out", str(tmp_path / name))
    assert Device.objects.get().tokens.count() == 2


def test_a_name_that_is_no_slug_gets_neither_device_nor_file(tmp_path):
    with pytest.raises(CommandError, match="is no name for a device"):
        call_command("board_token", "my board", "--out", str(tmp_path / "token"))
    assert not Device.objects.exists() and not (tmp_path / "token").exists()


@pytest.mark.parametrize("command", ["board_token", "board_login"])
def test_a_file_is_not_replaced_unless_forced(tmp_path, command):
    out = tmp_path / "secret"
    out.write_text("precious")
    with pytest.raises(CommandError, match="--force"):
        call_command(command, "orin-1", "--out", str(out))
    assert out.read_text() == "precious"
    call_command(command, "orin-1", "--out", str(out), "--force")
    assert out.read_text() != "precious" and mode(out) == 0o600


def test_a_broker_login_is_written_with_the_boards_own_user(tmp_path):
    call_command("board_login", "orin-1", "--out", str(tmp_path / "broker"))
    assert "://board.orin-1:" in (tmp_path / "broker").read_text()


def test_a_board_elsewhere_gets_the_address_that_it_can_reach(tmp_path):
    arguments = ["--out", str(tmp_path / "broker"), "--broker", "rediss://polyweb.example:6380"]
    call_command("board_login", "orin-1", *arguments)
    url = (tmp_path / "broker").read_text().strip()
    assert url.startswith("rediss://board.orin-1:") and url.endswith("@polyweb.example:6380")
