"""Sending plans to boards, and putting right what fell through. All are safe to run twice."""

from __future__ import annotations

from functools import partial

import msgspec
from celery import current_app, shared_task
from django.db import transaction
from django.utils import timezone

from .models import Device, Run


@shared_task(ignore_result=True)
def dispatch(device_id: int) -> None:
    """Send the next plan to an idle, online board; at most one plan is under way to it."""
    with transaction.atomic():
        device = Device.objects.select_for_update().get(pk=device_id)
        run = device.next_run() if device.is_online else None
        if run is None:
            return
        run.dispatched_at = timezone.now()
        run.save(update_fields=["dispatched_at"])
        transaction.on_commit(partial(send_plan, run))


@shared_task(ignore_result=True)
def tick() -> None:
    """Bring back runs of boards that fell silent, and send plans that got lost."""
    for run in Run.objects.lost():
        run.release()
        if run.state == Run.State.INVALID:
            run_ended(run)
    for device_id in Run.objects.queued().order_by().values_list("device", flat=True).distinct():
        dispatch(device_id)


def send_plan(run: Run) -> None:
    plan = msgspec.to_builtins(run.plan())
    current_app.send_task("board.measure", args=[plan], queue=f"board.{run.device.name}")


def run_ended(run: Run) -> None:
    """Tell whoever asked for `run` that it ended, and give its board the next one."""
    if run.then:
        current_app.send_task(run.then, args=[str(run.pk)])
    dispatch.delay(run.device_id)
