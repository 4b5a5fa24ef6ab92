"""What the model believes, kept beside its sweep; and each knob's share in it."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from measurements.tests.rows import make_user
from tuning import forecasting, tasks
from tuning.forecast import MOST_OBSERVATIONS, NothingMeasured, forecast, shares
from tuning.models import StoredForecast, Sweep
from tuning.optimizer import predict
from tuning.questions import Observation, Question
from tuning.space import Axis, Space
from tuning.surrogate import Mixture
from tuning.tests.rows import make_sweep, make_trial

SPACE = Space((Axis("gpu_max_hz", (100, 200, 400, 800)), Axis("batch_size", (1, 2))))


def observed(points: int) -> Question:
    """Energy rises with the clock, latency falls with it."""
    seen = [
        Observation((f, b), 0.1 + f / 1000 + 0.01 * b, 0.001, 40_000 / f * b, 40_400 / f * b)
        for f, b in SPACE.points[:points]
    ]
    return Question(SPACE, 1, 300.0, seen)


def of(*members: list[float], weight: list[float] | None = None) -> Mixture:
    mean = np.array(members)
    share = np.array(weight or [1 / len(members)] * len(members))
    return Mixture(mean, np.zeros_like(mean), share)


def test_a_forecast_is_what_the_optimizer_predicts():
    question = observed(6)
    found, predicted = forecast(question), predict(question)
    assert found.energy_j == pytest.approx(predicted.energy_j)
    assert found.latency_ms == pytest.approx(predicted.latency_ms)
    assert found.energy_ends_j(7) == pytest.approx(
        (predicted.energy_low_j[7], predicted.energy_high_j[7])
    )
    assert found.meets(300.0) == pytest.approx(predicted.meets_slo, abs=0.1)


def test_another_limit_needs_no_other_fit():
    found = forecast(observed(6))
    tight, wide = found.meets(60.0), found.meets(600.0)
    assert (wide >= tight).all() and wide.max() > 0.9 and tight.min() < 0.1
    assert (found.meets(None) == 1).all()


def test_before_any_measurement_there_is_none():
    with pytest.raises(NothingMeasured):
        forecast(Question(SPACE, 1, None, []))


def test_of_very_many_observations_the_best_are_kept_and_the_rest_is_thinned_evenly():
    space = Space((Axis("gpu_max_hz", tuple(range(1, 101))),))
    seen = [Observation((f,), f / 100, None, 10.0) for f in range(1, 101)]
    found = forecast(Question(space, 1, None, seen))
    assert (found.used, found.measured) == (MOST_OBSERVATIONS, 100)


def test_a_knob_that_alone_decides_has_the_whole_share_and_the_other_none():
    by_clock = [float(f) for f, _ in SPACE.points]
    clock, batch = shares(SPACE, of(by_clock))
    assert (clock.alone, clock.total) == pytest.approx((1, 1))
    assert (batch.alone, batch.total) == pytest.approx((0, 0))


def test_what_two_knobs_do_only_together_counts_in_both_totals():
    space = Space((Axis("a", (0, 1)), Axis("b", (0, 1))))
    a, b = shares(space, of([0.0, 1.0, 1.0, 0.0]))  # Exclusive or.
    assert (a.alone, b.alone) == pytest.approx((0, 0))
    assert (a.total, b.total) == pytest.approx((1, 1))


def test_members_that_disagree_widen_the_range_of_a_share():
    by_clock = [float(f) for f, _ in SPACE.points]
    by_batch = [float(b) for _, b in SPACE.points]
    clock, _ = shares(SPACE, of(by_clock, by_batch, weight=[0.75, 0.25]))
    assert clock.alone == pytest.approx(0.75)
    assert (clock.alone_low, clock.alone_high) == pytest.approx((0, 1))


@pytest.fixture
def sweep(db) -> Sweep:
    sweep = make_sweep()
    for energy_j in (0.5, 0.4, 0.45):
        make_trial(sweep, busy_energy_j=energy_j)
    return sweep


def test_the_tuner_keeps_a_forecast_and_makes_it_once(sweep):
    assert forecasting.outlook(sweep).is_coming
    assert forecasting.renew(sweep.pk)
    assert not forecasting.renew(sweep.pk)
    found = forecasting.outlook(sweep)
    assert not found.is_coming and len(found.forecast.energy_j) == len(sweep.space())
    assert [share.name for share in found.forecast.shares] == list(sweep.space().names)


def test_a_kept_forecast_is_the_one_that_was_made(sweep):
    made = forecast(sweep.question())
    StoredForecast.keep(sweep, made, mark="any")
    kept = StoredForecast.objects.get().forecast()
    assert kept.log_j == pytest.approx(made.log_j, rel=1e-5)
    assert kept.log_margin == made.log_margin and kept.shares == made.shares


def test_a_sweep_that_ended_gets_a_new_forecast_after_each_trial(sweep):
    Sweep.objects.update(state=Sweep.State.FINISHED)
    sweep.refresh_from_db()
    forecasting.renew(sweep.pk)
    make_trial(sweep)
    assert forecasting.outlook(sweep).is_coming


def test_one_that_runs_rests_until_some_more_points_are_measured(sweep):
    forecasting.renew(sweep.pk)
    make_trial(sweep)
    assert not forecasting.outlook(sweep).is_coming
    make_trial(sweep)
    make_trial(sweep)
    assert forecasting.outlook(sweep).is_coming


def test_two_points_are_too_few(db):
    sweep = make_sweep()
    make_trial(sweep)
    make_trial(sweep)
    found = forecasting.outlook(sweep)
    assert (found.is_coming, found.needs, forecasting.renew(sweep.pk)) == (False, 1, False)


def test_the_database_refuses_a_forecast_from_nothing(sweep):
    with pytest.raises(IntegrityError), transaction.atomic():
        StoredForecast.objects.create(
            sweep=sweep, mark="x", used=0, measured=0, log_margin=0, moments=b""
        )


def test_a_page_polls_until_the_forecast_is_there(sweep, client: Client):
    client.force_login(make_user())
    url = reverse("sweep_forecast", args=[sweep.pk])
    assert client.get(url).status_code == 204
    tasks.forecast(sweep.pk)
    answer = client.get(url)
    assert answer.status_code == 286 and "sweep:news" in answer["HX-Trigger"]
