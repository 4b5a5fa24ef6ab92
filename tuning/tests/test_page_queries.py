"""Every page asks the database a handful of times, however many rows there are."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from measurements.models import Run
from measurements.roles import ADMIN
from measurements.tests.rows import make_user
from tuning.models import Sweep
from tuning.views.panels import PANELS

pytestmark = pytest.mark.django_db
MOST = 12


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(make_user(ADMIN))
    return client


def pages() -> dict[str, str]:
    sweep, second = Sweep.objects.order_by("pk")[:2]
    run, other = Run.objects.done().order_by("queued_at")[:2]
    found = {
        name: reverse(name) + "?view=all" for name in ("sweeps", "runs", "networks", "devices")
    }
    found |= {
        "overview": "/",
        "sweep": sweep.get_absolute_url(),
        "run": run.get_absolute_url(),
        "trace": reverse("run_trace", args=[run.pk]),
        "network": run.network.get_absolute_url(),
        "device": reverse("device", args=[run.device.name]),
        "launch": reverse("sweep_new"),
        "runs compared": f"{reverse('compare')}?runs={run.pk},{other.pk}",
        "sweeps compared": f"{reverse('compare')}?sweeps={sweep.pk},{second.pk}",
        "review": reverse("review", args=[sweep.pk]),
        "reviews": reverse("reviews"),
        "audit": reverse("audit"),
        "notifications": reverse("notifications"),
        "webhooks": reverse("webhooks"),
    }
    for panel in PANELS:
        if panel.is_shown(sweep):
            found[panel.name] = reverse("sweep_panel", args=[sweep.pk, panel.name])
    return found


def test_no_page_of_many_rows_asks_often(client):
    call_command("fill_database", runs=60, sweeps=2, samples=600, verbosity=0)
    counts = {}
    for name, path in pages().items():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200, path
        counts[name] = len(queries)
    assert {name: count for name, count in counts.items() if count > MOST} == {}
