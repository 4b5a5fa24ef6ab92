"""Pages of keys agree with Django's own pages, whatever the URL asks for."""

from __future__ import annotations

import pytest
from django.core.paginator import Paginator
from django.http import QueryDict

from measurements.browsing import keyed_pages
from measurements.models import Network
from measurements.tests.rows import make_network

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("asked", ["", "1", "2", "3", "4", "99", "0", "-1", "x", "²", "9" * 30])
@pytest.mark.parametrize("rows", [0, 1, 3, 7])
def test_pages_of_keys_are_those_of_the_rows(asked: str, rows: int):
    for number in range(rows):
        make_network(name=f"network {number}")
    found = Network.objects.order_by("-name")
    pages = keyed_pages(found, QueryDict(f"page={asked}"), per_page=3)
    expected = Paginator(found, 3).get_page(asked)
    assert pages.page.object_list == [network.pk for network in expected]
    assert (pages.page.number, pages.page.paginator.count) == (expected.number, rows)
    assert (pages.before is None, pages.after is None) == (
        not expected.has_previous(), not expected.has_next()
    )  # fmt: skip


def test_what_matches_is_found_out_once(django_assert_num_queries):
    for number in range(5):
        make_network(name=f"network {number}")
    with django_assert_num_queries(1):
        keyed_pages(Network.objects.order_by("pk"), QueryDict("page=2"), per_page=2)
