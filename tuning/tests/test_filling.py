"""Synthetic rows: as many as asked, plausible, and each labelled as what it is."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count

from measurements.models import Device, PowerSample, Run
from measurements.tests.rows import make_run
from tuning import results
from tuning.models import Sweep, Trial

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(capsys):
    call_command("fill_database", runs=23, sweeps=2, samples=2_300, seed=3)
    return capsys.readouterr().out


def test_as_many_rows_are_there_as_were_asked_for(filled):
    assert "2 sweeps, 23 runs, 2,300 samples" in filled
    assert (Sweep.objects.count(), Run.objects.count()) == (2, 23)
    each = Run.objects.annotate(count=Count("samples")).values_list("count", flat=True)
    assert set(each) == {100}


def test_every_row_says_that_nothing_was_measured(filled):
    assert not Device.objects.exclude(provenance="emulated").exists()
    assert all("nothing was measured" in device.provenance_note for device in Device.objects.all())
    assert all(sweep.name.startswith("Synthetic") for sweep in Sweep.objects.all())
    assert not Run.objects.exclude(verdicts__code="synthetic").exists()


def test_a_sample_s_total_is_the_sum_of_the_rails_that_make_it(filled):
    sample = PowerSample.objects.select_related("run").order_by("run", "t_us").last()
    run = sample.run
    watts = dict(zip(run.rails, sample.rails_w, strict=True))
    assert sample.total_w == pytest.approx(sum(watts[name] for name in run.total_of), abs=1e-6)
    assert sample.total_w > 0


def test_a_run_s_requests_agree_with_its_latencies(filled):
    run = Run.objects.select_related("request_log").first()
    log = run.request_log
    latency_ms = 1e3 * (np.array(log.end_s) - np.array(log.arrival_s))
    assert len(latency_ms) == run.requests_served
    assert latency_ms.mean() == pytest.approx(run.latency_mean_ms, rel=1e-6)


def test_an_invalid_run_s_trial_is_given_up_and_the_rest_have_a_best(filled):
    invalid = Run.objects.filter(state="invalid")
    given_up = Trial.objects.filter(state="given_up", trial_runs__run__in=invalid)
    assert given_up.count() == invalid.count()
    sweep = Sweep.objects.first()
    assert results.best(sweep, sweep.space().names) is not None


def test_a_higher_gpu_clock_is_faster_in_what_is_made_up(filled):
    run = Run.objects.done().order_by("gpu_max_hz").first()
    alike = Run.objects.done().filter(
        device=run.device, network=run.network, batch_size=run.batch_size
    )
    fastest = alike.order_by("-gpu_max_hz", "-emc_hz").first()
    assert fastest.latency_mean_ms <= run.latency_mean_ms * 1.05


def test_a_database_with_runs_is_left_alone():
    make_run()
    with pytest.raises(CommandError, match="--beside"):
        call_command("fill_database", runs=2, sweeps=1, samples=10)
    assert Run.objects.count() == 1
