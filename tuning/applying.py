"""Applying a verified winner: as an order to its board, or as a bundle to take away."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from measurements import tasks as measurement_tasks
from measurements.models import Application, AuditEntry, Device, Run
from tuning import bundle
from tuning.models import Sweep, Verification, VerifiedApplication
from tuning.verification import Verdict


class CannotApply(ValueError):
    """Nothing was changed; the text says why."""


def of_sweep(sweep: Sweep) -> Application | None:
    """What was last applied in the name of `sweep`."""
    links = VerifiedApplication.objects.select_related("application__device")
    link = links.filter(verification__sweep=sweep).order_by("-pk").first()
    return None if link is None else link.application


@transaction.atomic
def apply(sweep: Sweep, *, by: AbstractUser) -> Application:
    """Order the board that verified the winner to hold it from now on.

    Args:
        sweep: As `with_standing` gives it.

    Raises:
        CannotApply: It is not verified, or its board is away, measuring or waiting to be told.
    """
    found = _verified(sweep)
    if sweep.pack_id:
        raise CannotApply("It was imported: its board is elsewhere. Take the bundle there.")
    device = Device.objects.select_for_update().get(pk=found.device_id)
    _check_free(device)
    application = Application.objects.create(
        device=device, created_by=by, log=[_line(f"Asked by {by}.")], **_point(found)
    )
    VerifiedApplication.objects.create(verification=found, application=application)
    AuditEntry.objects.note(by, "applied the winner", sweep, board=device.name)
    transaction.on_commit(lambda: measurement_tasks.send_order(application), robust=True)
    return application


@transaction.atomic
def roll_back(sweep: Sweep, *, by: AbstractUser) -> Application:
    """Order the board back to how it was before anything was applied.

    Raises:
        CannotApply: Nothing of this sweep stands there, or its board cannot be told now.
    """
    application = of_sweep(sweep)
    if application is None or application.state != Application.State.APPLIED:
        raise CannotApply("Nothing of this sweep is applied: there is nothing to roll back.")
    device = Device.objects.select_for_update().get(pk=application.device_id)
    _check_free(device)
    if not application.ask_back(by=str(by)):
        raise CannotApply("Somebody else was quicker.")
    AuditEntry.objects.note(by, "rolled back", sweep, board=device.name)
    transaction.on_commit(lambda: measurement_tasks.send_order(application), robust=True)
    return application


def bundle_of(sweep: Sweep) -> bytes:
    """The ZIP file that lets the board's owner apply the winner by hand.

    Raises:
        CannotApply: It is not verified.
    """
    found = _verified(sweep)
    device, point = found.device, _point(found)
    return bundle.pack(
        bundle.Choice(
            title=sweep.name,
            device=device.name,
            kind=device.kind,
            provenance=device.provenance,
            gpu_hz=tuple(device.gpu_hz),
            emc_hz=tuple(device.emc_hz),
            cpu_hz=tuple(device.cpu_hz),
            gpu_min_hz=point["gpu_min_hz"],
            gpu_max_hz=point["gpu_max_hz"],
            hold_emc_hz=point["emc_hz"],
            hold_cpu_hz=point["cpu_hz"],
        ),
        manifest=_manifest(sweep, found),
    )


def _verified(sweep: Sweep) -> Verification:
    """The verification that vouches for the sweep's best point of now."""
    if sweep.standing != Sweep.Standing.VERIFIED:
        raise CannotApply(f"This sweep is {sweep.standing.label}: verify its winner first.")
    done = sweep.verifications.filter(verdict=Verdict.VERIFIED.value)
    return done.select_related("device", "trial").order_by("-pk")[0]


def _check_free(device: Device) -> None:
    if not device.is_online:
        raise CannotApply(f"{device} is offline: it cannot be told.")
    if device.runs.filter(state__in=[Run.State.QUEUED, Run.State.RUNNING]).exists():
        raise CannotApply(f"{device} has runs to measure: wait for their end, or pause the sweep.")
    if device.applications.unanswered().exists():
        raise CannotApply(f"{device} has not answered its last order yet.")


def _point(found: Verification) -> dict[str, int | None]:
    return found.sweep.clocks_at(found.trial.values)


def _manifest(sweep: Sweep, found: Verification) -> dict[str, Any]:
    values = sweep.space().named(tuple(found.trial.values))
    return {
        "sweep": {"id": sweep.pk, "name": sweep.name, "network": sweep.network.name},
        "verification": {
            "id": found.pk,
            "verdict": found.verdict,
            "words": found.words,
            "blocks": found.blocks,
            "finished_at": found.finished_at and found.finished_at.isoformat(),
        },
        "batch_size": values.get("batch_size", 1),
        "slo": {"statistic": sweep.slo_statistic, "ms": sweep.slo_ms},
        "board_model": found.device.board_model,
        "l4t": found.device.l4t,
        "made_at": timezone.now().isoformat(),
    }


def _line(text: str) -> str:
    return f"{timezone.now():%Y-%m-%d %H:%M:%S} {text}"
