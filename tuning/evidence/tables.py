"""Which rows a pack holds, and each row as plain values and back.

A row is a dict of its columns: keys point to other rows of the pack, people stand by their
names. Whatever columns a model has go in; a key to something that no pack holds is left out.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from measurements.models import (
    ArrivalTrace,
    Calibration,
    CalibrationSeries,
    Device,
    Network,
    Phase,
    ReplayTable,
    Run,
    RunNote,
    Verdict,
)
from tuning.evidence.seal import PackRefused
from tuning.models import (
    CpuPhase,
    CpuTrial,
    CpuTrialRun,
    Sweep,
    TrialRun,
    Verification,
    VerificationRun,
)

Row = dict[str, Any]
Rows = dict[str, list[Row]]

BOARD = "board.json"
SWEEP = "sweep.json"
RUNS = "runs.json"
CALIBRATIONS = "calibrations.json"

LEFT_OUT = {
    Device: {"pack_id", "running_id", "last_seen_at", "phase", "requests_done", "spooled"},
    Run: {"pack_id", "manifest", "then", "repeat_of_id", "dispatched_at", "heard_at"},
    Network: {"file", "created_at"},
    ReplayTable: {"created_at"},
    ArrivalTrace: {"created_at"},
    Sweep: {"pack_id", "forked_from_id"},
}
"""Columns that mean nothing elsewhere; manifests are files of their own."""


def of_sweep(sweep: Sweep) -> dict[str, dict[str, models.QuerySet]]:
    """File name -> table name -> the rows of `sweep` that belong there, parents first."""
    checked = sweep.verifications.exclude(state=Verification.State.RUNNING)
    steps = VerificationRun.objects.filter(verification__in=checked)
    links = TrialRun.objects.filter(trial__sweep=sweep)
    cpu_links = CpuTrialRun.objects.filter(trial__phase__sweep=sweep)
    measured = (one.order_by().values("run") for one in (links, steps, cpu_links))
    in_any = functools.reduce(operator.or_, (models.Q(pk__in=query) for query in measured))
    runs = Run.objects.filter(in_any).order_by("queued_at", "pk")
    devices = Device.objects.filter(
        models.Q(pk__in=runs.order_by().values("device")) | models.Q(pk__in=[sweep.device_id])
    ) | Device.objects.filter(shared_sweeps=sweep)
    networks = Network.objects.filter(
        models.Q(pk__in=runs.order_by().values("network")) | models.Q(pk=sweep.network_id)
    )
    calibrations = Calibration.objects.filter(device__in=devices)
    replayed = models.Q(devices__in=devices) | models.Q(workloads__in=networks)
    return {
        BOARD: {
            "replay_tables": ReplayTable.objects.filter(replayed).distinct(),
            "devices": devices.distinct(),
            "networks": networks,
            "arrival_traces": ArrivalTrace.objects.filter(pk=sweep.trace_id),
        },
        RUNS: {
            "runs": runs,
            "phases": Phase.objects.filter(run__in=runs),
            "run_notes": RunNote.objects.filter(run__in=runs).order_by("run_id"),
            "verdicts": Verdict.objects.filter(run__in=runs).order_by("pk"),
        },
        CALIBRATIONS: {
            "calibrations": calibrations,
            "calibration_series": CalibrationSeries.objects.filter(calibration__in=calibrations),
        },
        SWEEP: {
            "sweeps": Sweep.objects.filter(pk=sweep.pk),
            "sweep_axes": sweep.axes.all(),
            "sweep_others": Sweep.others.through.objects.filter(sweep=sweep),
            "cpu_phases": CpuPhase.objects.filter(sweep=sweep),
            "cpu_trials": CpuTrial.objects.filter(phase__sweep=sweep),
            "cpu_trial_runs": cpu_links.order_by("pk"),
            "trials": sweep.trials.all(),
            "trial_runs": links.order_by("pk"),
            "verifications": checked.order_by("pk"),
            "verification_runs": steps.order_by("pk"),
        },
    }


def row_of(one: models.Model) -> Row:
    """The columns of `one`; a person by the account's name."""
    left_out = LEFT_OUT.get(type(one), set())
    return {
        name: value
        for column in type(one)._meta.concrete_fields
        for name, value in [_written(one, column)]
        if name not in left_out
    }


def _written(one: models.Model, column: models.Field) -> tuple[str, Any]:
    if not _is_person(column):
        return column.attname, column.value_from_object(one)
    person = getattr(one, column.name)
    return column.name, None if person is None else person.get_username()


@dataclass(slots=True)
class Reader:
    """Turns rows of a pack into rows here; remembers which became which."""

    became: dict[tuple[type[models.Model], str], Any] = field(default_factory=dict)

    def read(
        self, model: type[models.Model], rows: Sequence[Row], **fixed: Any
    ) -> list[models.Model]:
        """Store `rows` as `model`, with the columns in `fixed` as given here."""
        instances = [self.instance(model, row, **fixed) for row in rows]
        model.objects.bulk_create(instances, batch_size=1000)
        self._keep_times(model, instances, rows)
        for row, instance in zip(rows, instances, strict=True):
            self.remember(model, row, instance)
        return instances

    def remember(self, model: type[models.Model], row: Row, instance: models.Model) -> None:
        self.became[model, str(row.get(model._meta.pk.attname))] = instance.pk

    def instance(self, model: type[models.Model], row: Row, **fixed: Any) -> models.Model:
        """`row` as an unsaved instance.

        Raises:
            PackRefused: A column is unknown, holds what it may not, or points to nothing.
        """
        left_out = LEFT_OUT.get(model, set())
        columns = {_name(column): column for column in model._meta.concrete_fields}
        columns = {name: column for name, column in columns.items() if name not in left_out}
        if unknown := set(row) - set(columns):
            names = ", ".join(sorted(unknown))
            raise PackRefused(
                f"{model._meta.verbose_name} has columns that this PolyWeb does not know "
                f"({names}): update it, then import again."
            )
        values = {
            columns[name].attname: self._value(model, columns[name], value)
            for name, value in row.items()
            if not _is_own_key(columns[name])
        }
        return model(**{**values, **fixed})

    def _value(self, model: type[models.Model], column: models.Field, value: Any) -> Any:
        if _is_person(column) or (value is None and column.null):
            return None
        if column.is_relation:
            return self._key(model, column, value)
        try:
            value = column.to_python(value)
            if column.choices and value not in dict(column.flatchoices) and value != "":
                raise ValidationError("not one of the values that it may have")
            if value is None:
                raise ValidationError("missing")
            column.run_validators(value)
        except (ValidationError, TypeError, ValueError, OverflowError) as error:
            text = "; ".join(getattr(error, "messages", [str(error)]))
            raise PackRefused(f"{model._meta.verbose_name}.{column.attname}: {text}.") from error
        return value

    def _key(self, model: type[models.Model], column: models.Field, value: Any) -> Any:
        found = self.became.get((column.related_model, str(value)))
        if found is None and not column.null:
            what = f"{model._meta.verbose_name}.{column.attname}"
            raise PackRefused(f"{what} points to a row that the pack does not hold.")
        return found

    def _keep_times(
        self, model: type[models.Model], instances: Iterable[models.Model], rows: Iterable[Row]
    ) -> None:
        """Times that a row gets when it is made, put back to what the pack says."""
        names = [
            column.attname
            for column in model._meta.concrete_fields
            if getattr(column, "auto_now_add", False)
        ]
        if not names:
            return
        instances = list(instances)
        for instance, row in zip(instances, rows, strict=True):
            for name in names:
                column = model._meta.get_field(name)
                setattr(instance, name, self._value(model, column, row[name]))
        model.objects.bulk_update(instances, names, batch_size=1000)


def _is_person(column: models.Field) -> bool:
    return column.is_relation and column.related_model._meta.label == settings.AUTH_USER_MODEL


def _is_own_key(column: models.Field) -> bool:
    """A number that the database gives; other keys (a run's UUID, its owner's) are content."""
    return column.primary_key and isinstance(column, models.AutoField | models.BigAutoField)


def _name(column: models.Field) -> str:
    return column.name if _is_person(column) else column.attname
