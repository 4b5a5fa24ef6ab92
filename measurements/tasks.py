"""Sending plans to boards, and putting right what fell through. All are safe to run twice."""

from __future__ import annotations

from functools import partial
from subprocess import CalledProcessError

import msgspec
from celery import current_app, shared_task
from django.db import transaction
from django.utils import timezone

from measurements import log_import, notifying
from measurements.builtin_networks import NoFile, ensure_file
from measurements.log_import import LogRefused, LogWindow

from .models import Application, Device, LogImport, Run
from .models.applications import PATIENCE, SEND_AGAIN
from .models.log_imports import MAX_ATTEMPTS


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
    for pk in LogImport.objects.lost().values_list("pk", flat=True):
        read_log.delay(pk)
    for device_id in Run.objects.queued().order_by().values_list("device", flat=True).distinct():
        dispatch(device_id)


@shared_task(ignore_result=True)
def read_log(pk: int) -> None:
    """A large log becomes a run; the run and the end of its import are one transaction."""
    row = LogImport.objects.get(pk=pk)
    if not row.claim():
        return
    if row.attempt > MAX_ATTEMPTS:
        row.refuse(f"Its reading was interrupted {MAX_ATTEMPTS} times. Import it again.")
        return
    asked = LogWindow(row.interval_ms, row.requests, row.start_s, row.end_s)
    try:
        with row.file.open() as file:
            log = log_import.read_log(file.read(), asked, progress=row.tell)
    except (LogRefused, FileNotFoundError) as refusal:
        row.refuse(str(refusal))
        return
    with transaction.atomic():
        run = log_import.store_log(log, asked, title=row.title, created_by=row.created_by)
        if not row.finish(run):  # another reader was first
            transaction.set_rollback(True)


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
