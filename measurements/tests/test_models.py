from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from measurements.messages import OLDEST_VERSION, VERSION
from measurements.models import Network, OverheadCheck, Run

from .rows import make_device, make_done_run, make_network, make_run

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "nonsense",
    [
        {"device": None},
        {"batch_size": None},
        {"requests_asked": 0},
        {"arrivals": "poisson"},
        {"arrivals": "poisson", "rate_hz": 0.0},
        {"rate_hz": 3.0},
        {"gpu_min_hz": 2, "gpu_max_hz": 1},
        {"state": "done"},
        {"sample_interval_ms": None, "busy_energy_j": 0.4},
        {"sample_interval_ms": None, "mean_power_w": 10.0},
        {"sample_interval_ms": None, "half_width_percent": 1.0},
        {"work": "preprocessing", "batch_size": 4},
        {"work": "preprocessing", "arrivals": "uniform", "rate_hz": 5.0},
    ],
)
def test_the_database_refuses_a_run_that_makes_no_sense(nonsense: dict):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_run(**nonsense)


def test_an_imported_log_needs_no_device_and_no_network():
    run = Run.objects.create(
        origin=Run.Origin.IMPORTED_LOG,
        requests_asked=10,
        state=Run.State.DONE,
        requests_served=10,
        finished_at=timezone.now(),
    )
    assert run.point.gpu_max_hz is None


def test_the_database_refuses_a_network_without_a_graph():
    with pytest.raises(IntegrityError), transaction.atomic():
        make_network(builtin="", sha256=None)


def test_a_done_run_cannot_be_cancelled():
    run = make_done_run()
    assert not run.cancel()
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_features_are_affine_in_the_batch_size():
    network: Network = make_network(flops_fixed=1.0, flops_per_item=2.0)
    assert [network.flops(b) for b in (1, 2, 8)] == [3.0, 5.0, 17.0]


def test_a_plan_says_all_that_the_board_needs():
    run = make_run(arrivals="poisson", rate_hz=5.0, gpu_max_hz=9, seed=7)
    plan = run.plan()
    assert (plan.arrivals.rate_hz, plan.point.gpu_max_hz, plan.seed) == (5.0, 9, 7)
    assert plan.network.name == run.network.name


def test_an_older_board_gets_every_plan_that_it_understands():
    assert make_run().plan().version == OLDEST_VERSION
    alone = make_run(work=Run.Work.PREPROCESSING).plan()
    assert (alone.work, alone.version) == ("preprocessing", VERSION)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"slow_ms": None, "reference": "rails"},
        {"slow_ms": 50, "reference": "meter"},
    ],
)
def test_the_database_refuses_a_sampler_check_that_compares_nothing(nonsense: dict):
    values = {"fast_ms": 50, "extra_w": 0.1, "extra_half_width_w": 0.1, "slow_w": 9, "blocks": 6}
    with pytest.raises(IntegrityError), transaction.atomic():
        OverheadCheck.objects.create(device=make_device(), **values, **nonsense)
