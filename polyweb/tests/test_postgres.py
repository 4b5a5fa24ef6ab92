import os
import stat

import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from polyweb.stack import environment, postgres
from polyweb.stack.errors import StackError
from polyweb.stack.postgres import Postgres

EMBEDDED = "POLYWEB_TEST_SERVERS" in os.environ
pytestmark = pytest.mark.skipif(not EMBEDDED, reason="these are about the embedded server")


@pytest.mark.django_db
def test_everybody_needs_a_password():
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert cursor.fetchall() == [("scram-sha-256",)]


@pytest.mark.django_db
def test_it_listens_on_loopback_only_and_has_no_socket_file():
    with connection.cursor() as cursor:
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchone() == ("127.0.0.1",)
        cursor.execute("SHOW unix_socket_directories")
        assert cursor.fetchone() == ("",)


def test_a_wrong_password_is_refused():
    url = os.environ["DATABASE_URL"]
    wrong = url.replace(settings.DATABASES["default"]["PASSWORD"], "wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)


def test_its_files_are_its_owners_only(tmp_path):
    home = tmp_path / "home"
    cluster = Postgres.at(home, settings=postgres.FAST)
    cluster.initialise()
    modes = {name: stat.S_IMODE((home / name).stat().st_mode) for name in ("", "data", "password")}
    assert modes == {"": 0o700, "data": 0o700, "password": 0o600}
    assert (home / "data").stat().st_uid == os.geteuid()


def test_a_cluster_left_half_made_is_made_anew(tmp_path):
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "torn").touch()
    cluster = Postgres.at(tmp_path, settings=postgres.FAST)
    cluster.initialise()
    assert (cluster.data / "PG_VERSION").exists() and not (cluster.data / "torn").exists()


@pytest.mark.parametrize("pid", [1, 2**22 - 1])
def test_the_lock_of_a_killed_server_is_dropped_when_its_number_is_another_programs(tmp_path, pid):
    cluster = Postgres.at(tmp_path)
    cluster.data.mkdir()
    (cluster.data / "postmaster.pid").write_text(f"{pid}\n")
    cluster.program()
    assert not (cluster.data / "postmaster.pid").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a way around")
def test_root_without_user_namespaces_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "IN_NAMESPACE", ("false",))
    monkeypatch.setattr(postgres, "AS_NOBODY", ("false",))
    with pytest.raises(StackError, match="Run as a plain user, or set DATABASE_URL"):
        Postgres.at(tmp_path).initialise()


def test_a_binary_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    broken = tmp_path / "postgres"
    broken.write_text(
        "#!/bin/sh\necho 'libfoo.so.1: cannot open shared object file' >&2; exit 127\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr(postgres, "_binary", lambda name: str(tmp_path / name))
    with pytest.raises(StackError, match=r"libfoo\.so\.1.*DATABASE_URL"):
        Postgres.at(tmp_path / "home").initialise()


def test_a_url_that_was_given_is_told_from_the_embedded_one(tmp_path):
    cluster = Postgres.at(tmp_path)
    assert environment.is_embedded(cluster.url, tmp_path)
    assert not environment.is_embedded("postgres://polyweb:other@db.example/polyweb", tmp_path)


def test_a_later_command_finds_the_address_that_the_start_chose(tmp_path):
    cluster = Postgres.at(tmp_path)
    assert Postgres.known(tmp_path).url == cluster.url
