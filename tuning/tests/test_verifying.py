from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from measurements import tasks as measurement_tasks
from measurements.models import RequestLog, Run
from measurements.roles import OPERATOR, VIEWER
from measurements.tests.rows import GPU_HZ, make_user
from tuning import tasks, verifying
from tuning.models import Sweep, Verification
from tuning.tests.rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db
ENERGY_J = {"winner": 0.3, "default": 0.4, "maximum": 0.5, "default_one": 0.6}


@pytest.fixture(autouse=True)
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    devices: list[int] = []
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", devices.append)
    return devices


@pytest.fixture
def sweep() -> Sweep:
    sweep = make_sweep(state=Sweep.State.FINISHED, slo_ms=50.0, requests=100)
    make_trial(sweep, busy_energy_j=0.5)
    make_trial(sweep, busy_energy_j=0.4)
    return sweep


def end(run: Run, *, energy_j: float | None, state: str = Run.State.DONE) -> None:
    Run.objects.filter(pk=run.pk).update(
        state=state,
        finished_at=timezone.now(),
        requests_served=100,
        busy_energy_j=energy_j,
        busy_half_width_j=0.001,
        latency_p95_ms=41.0,
        latency_p95_upper_ms=43.0,
    )
    times = [float(number) for number in range(100)]
    ends = [time + 0.04 for time in times]
    RequestLog.objects.create(
        run=run, arrival_s=times, start_s=times, inference_start_s=times, end_s=ends
    )


def go_through(found: Verification, energies: dict[str, float] = ENERGY_J) -> None:
    verifying.advance(found.pk)
    while (step := found.next_step()) is not None:
        end(step.run, energy_j=energies[step.arm])
        tasks.verify(str(step.run_id))
    found.refresh_from_db()


def test_a_verification_of_better_energy_ends_verified_with_its_words(sweep):
    found = verifying.begin(sweep, blocks=3, by=None)
    go_through(found)
    assert (found.state, found.verdict) == ("done", "verified")
    assert found.words.startswith("saves 25")
    assert "SLO met" in found.words
    assert Sweep.objects.with_standing().get().standing == "verified"


def test_one_that_saves_nothing_is_not_confirmed(sweep):
    found = verifying.begin(sweep, blocks=3, by=None)
    go_through(found, ENERGY_J | {"default": 0.3, "default_one": 0.3})
    assert found.verdict == "not_confirmed"
    assert Sweep.objects.with_standing().get().standing == "not_confirmed"


def test_the_arms_are_the_winners_point_the_default_and_the_maximum(sweep):
    found = verifying.begin(sweep, blocks=2, by=None)
    go_through(found)
    runs = {step.arm: step.run for step in found.steps.select_related("run")}
    best = sweep.space().named(tuple(found.trial.values))
    assert runs["winner"].gpu_max_hz == best["gpu_max_hz"]
    assert runs["default"].point == type(runs["default"].point)()
    assert (runs["maximum"].gpu_min_hz, runs["maximum"].gpu_max_hz) == (GPU_HZ[-1], GPU_HZ[-1])
    assert len({step.run.seed for step in found.steps.all()}) == found.steps.count()


def test_one_run_is_planned_at_a_time_however_often_it_is_asked(sweep):
    found = verifying.begin(sweep, blocks=2, by=None)
    for _ in range(3):
        verifying.advance(found.pk)
        tasks.tick()
    assert Run.objects.filter(then=verifying.VERIFY).count() == 1


def test_a_tick_goes_on_after_a_lost_message(sweep):
    found = verifying.begin(sweep, blocks=2, by=None)
    verifying.advance(found.pk)
    end(found.next_step().run, energy_j=0.3)
    tasks.tick()
    assert Run.objects.filter(then=verifying.VERIFY).count() == 2


def test_an_invalid_run_is_repeated_then_the_verification_fails(sweep):
    found = verifying.begin(sweep, blocks=2, by=None)
    verifying.advance(found.pk)
    for _ in range(verifying.TRIES):
        run = found.next_step().run
        end(run, energy_j=None, state=Run.State.INVALID)
        tasks.verify(str(run.pk))
    found.refresh_from_db()
    assert found.state == "failed"
    assert Sweep.objects.with_standing().get().standing == "not_yet_verified"


def test_a_new_best_point_is_not_yet_verified(sweep):
    go_through(verifying.begin(sweep, blocks=2, by=None))
    make_trial(sweep, busy_energy_j=0.1)
    assert Sweep.objects.with_standing().get().standing == "not_yet_verified"


def test_what_cannot_be_verified_is_refused_with_the_reason(sweep):
    verifying.begin(sweep, blocks=2, by=None)
    with pytest.raises(verifying.CannotVerify, match="already"):
        verifying.begin(sweep, blocks=2, by=None)
    with pytest.raises(verifying.CannotVerify, match="goes on"):
        verifying.begin(make_sweep(), blocks=2, by=None)
    with pytest.raises(verifying.CannotVerify, match="no winner"):
        verifying.begin(make_sweep(state=Sweep.State.FINISHED), blocks=2, by=None)


def test_stopping_cancels_what_is_on_the_board(sweep):
    found = verifying.begin(sweep, blocks=2, by=None)
    verifying.advance(found.pk)
    assert verifying.cancel(found, "by a person")
    assert Run.objects.get(then=verifying.VERIFY).state == Run.State.CANCELLED
    assert not verifying.cancel(found, "again")


def test_the_page_asks_and_tells(sweep, client: Client):
    client.force_login(make_user(OPERATOR))
    url = sweep.get_absolute_url()
    assert "not yet verified" in client.get(url).content.decode()
    client.post(f"{url}verify/", {"blocks": 2})
    assert "0 of 16 runs" in client.get(f"{url}panel/winner/").content.decode()
    go_through(sweep.verifications.get())
    answer = client.get(url).content.decode()
    assert "Saves <strong>" in answer and "25&nbsp;%" in answer and "mirrored pairs" in answer
    page = client.get(f"{url}panel/winner/").content.decode()
    assert "saves 25" in page
    assert page.count("default clocks at batch 1") >= 5
    for path in ("/sweeps/", "/"):
        assert 'data-state="verified"' in client.get(path).content.decode()
    assert b"verified" in client.get(f"{url}trials.csv").content


def test_a_viewer_may_not_verify(sweep, client: Client):
    client.force_login(make_user(VIEWER))
    assert client.post(f"{sweep.get_absolute_url()}verify/", {"blocks": 2}).status_code == 403
