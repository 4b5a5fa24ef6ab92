"""The tuner: it moves sweeps on. All tasks are safe to run twice."""

from __future__ import annotations

from celery import shared_task

from tuning import forecasting, search, telling, verifying

from .models import CpuTrial, Sweep, Trial, Verification


@shared_task(ignore_result=True)
def advance(sweep_id: int) -> None:
    search.advance(sweep_id)


@shared_task(ignore_result=True)
def observe(run_id: str) -> None:
    """Sent by measurements when a run of ours has ended."""
    sweep_id = search.observe(run_id)
    if sweep_id is not None:
        search.advance(sweep_id)


@shared_task(ignore_result=True)
def verify(run_id: str) -> None:
    """Sent by measurements when a run of a verification has ended."""
    verifying.observe(run_id)


@shared_task(ignore_result=True)
def forecast(sweep_id: int) -> None:
    """Asked for by pages that show what the model believes."""
    forecasting.renew(sweep_id)


@shared_task(ignore_result=True)
def tick() -> None:
    """Notice boards that went away or came back, and what messages were lost."""
    for sweep in Sweep.objects.filter(state=Sweep.State.WAITING).select_related("device"):
        if search.has_board(sweep):
            sweep.carry_on()
        else:
            telling.waiting(sweep)
    for steps in (Trial.objects, CpuTrial.objects):
        for run_id in steps.ended_unnoticed():
            observe(str(run_id))
    for sweep in Sweep.objects.filter(state=Sweep.State.RUNNING).select_related("device"):
        if search.has_board(sweep):
            search.advance(sweep.pk)
        else:
            sweep.wait()
    running = Verification.objects.filter(state=Verification.State.RUNNING)
    for pk in running.values_list("pk", flat=True):
        verifying.advance(pk)
