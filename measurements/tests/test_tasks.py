from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from measurements import tasks
from measurements.models import Run

from .rows import make_device, make_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list]]:
    messages: list[tuple[str, list]] = []
    monkeypatch.setattr(
        tasks.current_app, "send_task", lambda name, args, **_: messages.append((name, args))
    )
    monkeypatch.setattr(tasks.dispatch, "delay", tasks.dispatch)
    return messages


def test_an_idle_board_gets_the_oldest_plan_first(sent: list):
    device = make_device()
    first, _second = make_run(device=device), make_run(device=device)
    tasks.dispatch(device.pk)
    assert [(name, args[0]["run_id"]) for name, args in sent] == [("board.measure", str(first.pk))]


def test_at_most_one_plan_is_on_its_way_to_a_board(sent: list):
    device = make_device()
    make_run(device=device), make_run(device=device)
    tasks.dispatch(device.pk)
    tasks.dispatch(device.pk)
    assert len(sent) == 1


def test_a_busy_board_gets_no_plan(sent: list):
    device = make_device()
    make_run(device=device).claim()
    make_run(device=device)
    tasks.dispatch(device.pk)
    assert sent == []


def test_an_offline_board_gets_no_plan(sent: list):
    device = make_device(online=False)
    make_run(device=device)
    tasks.dispatch(device.pk)
    assert sent == []


def test_a_plan_that_nobody_claimed_is_sent_again(sent: list):
    run = make_run()
    tasks.dispatch(run.device_id)
    Run.objects.update(dispatched_at=timezone.now() - dt.timedelta(minutes=1))
    tasks.tick()
    assert len(sent) == 2


def silence(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(heard_at=timezone.now() - dt.timedelta(minutes=1))


def test_a_run_whose_board_fell_silent_is_measured_again(sent: list):
    run = make_run()
    run.claim()
    silence(run)
    tasks.tick()
    assert [name for name, _ in sent] == ["board.measure"]
    assert run.claim() == 2


def test_after_three_lost_attempts_a_run_is_invalid_and_its_owner_is_told(sent: list):
    run = make_run(then="tuning.tasks.observe")
    for _ in range(3):
        run.claim()
        silence(run)
        tasks.tick()
    run.refresh_from_db()
    assert run.state == Run.State.INVALID
    assert run.verdicts.get().code == "lost"
    assert ("tuning.tasks.observe", [str(run.pk)]) in sent
