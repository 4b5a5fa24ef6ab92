"""The backend that keeps connections between requests, on the tests' real PostgreSQL."""

from collections.abc import Iterator

import pytest
from django.db import connections
from django.db.utils import ProgrammingError

from polyweb.pooled import base


@pytest.fixture
def wrapper(db) -> Iterator[base.DatabaseWrapper]:
    settings = {**connections["default"].settings_dict}
    settings["OPTIONS"] = {**settings["OPTIONS"], "kept": 1}
    made = base.DatabaseWrapper(settings, alias="default")
    yield made
    made.close()
    while (shelf := made._shelf) is not None and not shelf.empty():
        shelf.get_nowait().close()


def backend_pid(wrapper: base.DatabaseWrapper) -> int:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def another(wrapper: base.DatabaseWrapper) -> base.DatabaseWrapper:
    """What the next request's thread has."""
    return base.DatabaseWrapper(wrapper.settings_dict, alias=wrapper.alias)


def test_the_next_request_gets_the_connection_that_was_closed(wrapper):
    first = backend_pid(wrapper)
    wrapper.close()
    after = another(wrapper)
    assert backend_pid(after) == first
    after.close()


def test_two_at_once_have_two_and_only_as_many_as_asked_are_kept(wrapper):
    other = another(wrapper)
    mine, others = backend_pid(wrapper), backend_pid(other)
    assert mine != others
    raw = other.connection
    wrapper.close()
    other.close()
    assert raw.closed
    assert backend_pid(another(wrapper)) == mine


def test_a_connection_in_an_open_transaction_is_not_kept(wrapper):
    wrapper.ensure_connection()
    wrapper.set_autocommit(False)
    first = backend_pid(wrapper)
    wrapper.close()
    assert backend_pid(wrapper) != first
    assert wrapper.get_autocommit()


def test_a_connection_that_saw_an_error_is_not_kept(wrapper):
    first = backend_pid(wrapper)
    with pytest.raises(ProgrammingError), wrapper.cursor() as cursor:
        cursor.execute("SELECT nothing")
    wrapper.close()
    assert backend_pid(wrapper) != first


def test_a_connection_that_the_server_ended_is_replaced(wrapper):
    first = backend_pid(wrapper)
    wrapper.close()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [first])
    assert backend_pid(wrapper) != first


def test_without_the_option_nothing_is_kept(wrapper):
    wrapper.settings_dict["OPTIONS"]["kept"] = 0
    wrapper.ensure_connection()
    raw = wrapper.connection
    wrapper.close()
    assert raw.closed
