"""Sending plans to boards, and putting right what fell through. All are safe to run twice."""

from __future__ import annotations

from functools import partial
from subprocess import CalledProcessError

import msgspec
from celery import current_app, shared_task
from django.db import transaction
from django.utils import timezone

from measurements import notifying
from measurements.builtin_networks import NoFile, ensure_file

from .models import Application, Device, Run
from .models.applications import PATIENCE, SEND_AGAIN


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
    send_orders_again()
    for device_id in Run.objects.queued().order_by().values_list("device", flat=True).distinct():
        dispatch(device_id)


@shared_task(ignore_result=True)
def hourly() -> None:
    notifying.calibrations_expiring()


@shared_task(ignore_result=True)
def courier() -> None:
    """Send the mails and webhooks that are due; it has a worker of its own, for it may wait."""
    notifying.send_due()


def send_order(application: Application) -> None:
    """Tell the board what it is to hold from now on; the order expires when patience does."""
    Application.objects.filter(pk=application.pk).update(sent_at=timezone.now())
    current_app.send_task(
        "board.apply",
        args=[msgspec.to_builtins(application.order())],
        queue=f"board.{application.device.name}",
        expires=PATIENCE.total_seconds(),
    )


def send_orders_again() -> None:
    """Orders that got lost are sent again; one that stays unanswered counts as refused."""
    now = timezone.now()
    for application in Application.objects.unanswered().select_related("device"):
        if application.order_at < now - PATIENCE:
            application.refuse("The board did not answer.")
        elif application.sent_at is None or application.sent_at < now - SEND_AGAIN:
            send_order(application)


def send_plan(run: Run) -> None:
    """Send it to its board; a board that runs the graph gets the hash of its file as well."""
    try:
        if run.device.needs_network_file:
            ensure_file(run.network)
    except (NoFile, CalledProcessError) as failure:
        run.refuse("no-network-file", f"The file of {run.network} cannot be had: {failure}")
        run_ended(run)
        return
    plan = msgspec.to_builtins(run.plan())
    current_app.send_task("board.measure", args=[plan], queue=f"board.{run.device.name}")


def run_ended(run: Run) -> None:
    """Tell whoever asked for `run` that it ended, and give its board the next one."""
    if run.then:
        current_app.send_task(run.then, args=[str(run.pk)])
    dispatch.delay(run.device_id)
