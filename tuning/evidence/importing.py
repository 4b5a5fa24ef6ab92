"""The deed: an evidence pack from elsewhere becomes rows here, marked as imported; or nothing.

Networks that are here already are found again by their file's hash or built-in name; boards
never are: a board of the same name elsewhere is another board. Runs keep their ids.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import msgspec
from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, models, transaction
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify

from measurements import sample_files
from measurements.models import (
    ArrivalTrace,
    AuditEntry,
    Calibration,
    CalibrationSeries,
    Device,
    Network,
    Pack,
    Phase,
    ReplayTable,
    Run,
    RunNote,
    Verdict,
)
from tuning.evidence import export, tables, told
from tuning.evidence.seal import Pack as PackFile
from tuning.evidence.seal import PackRefused, opened
from tuning.models import (
    CpuPhase,
    CpuTrial,
    CpuTrialRun,
    Sweep,
    SweepAxis,
    Trial,
    TrialRun,
    Verification,
    VerificationRun,
)

ENDED = {Run.State.DONE, Run.State.INVALID, Run.State.CANCELLED}
MOST_ROWS = 100_000


class AlreadyHere(PackRefused):
    """Its sweep is here: as `sweep`."""

    def __init__(self, text: str, sweep: Sweep | None) -> None:
        super().__init__(text)
        self.sweep = sweep


class InUse(Exception):
    """Something that was measured or made here rests on this pack; the text says what."""


def load(path: Path, *, by: AbstractUser | None) -> Sweep:
    """Store the pack at `path`; the sweep that came with it.

    Raises:
        AlreadyHere: This pack was imported, or its runs were measured here.
        PackRefused: It is damaged, changed, or not for this version; nothing was stored.
    """
    with opened(path) as pack:
        known = Pack.objects.filter(sha256=pack.sha256).first()
        if known is not None:
            raise AlreadyHere("This pack was imported before.", known.sweeps.first())
        try:
            with transaction.atomic():
                return _store(pack, by)
        except sample_files.UnreadableSamples as error:
            raise PackRefused(f"{error}.") from error
        except (DatabaseError, ValueError, TypeError, KeyError) as error:
            if isinstance(error, PackRefused):
                raise
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise PackRefused(f"Its rows do not fit together: {text}.") from error


@transaction.atomic
def remove(pack: Pack, *, by: AbstractUser | None) -> None:
    """Delete `pack` and every row that came with it.

    Raises:
        InUse: Something made here rests on it.
    """
    AuditEntry.objects.note(by, "removed evidence", pack, identity=pack.sha256)
    try:
        pack.sweeps.all().delete()
        Calibration.objects.filter(device__pack=pack).delete()
        pack.runs.all().delete()
        pack.devices.all().delete()
        pack.delete()
    except models.ProtectedError as error:
        one = next(iter(error.protected_objects))
        what = f"{one._meta.verbose_name} “{one}”"
        raise InUse(f"Not removed: {what} rests on this pack. Remove that first.") from error


def _store(pack: PackFile, by: AbstractUser | None) -> Sweep:
    seal, reader = pack.seal, tables.Reader()
    files = {name: _rows(pack, name) for name in
             (tables.BOARD, tables.RUNS, tables.CALIBRATIONS, tables.SWEEP)}  # fmt: skip
    _must_be_new(files[tables.RUNS]["runs"])
    row = Pack.objects.create(
        sha256=pack.sha256,
        title=seal.title[:300],
        source=seal.source[:300],
        made_at=parse_datetime(seal.made_at),
        made_by=seal.made_by[:150],
        definitions=seal.definitions,
        review=msgspec.to_builtins(told.read(pack.bytes(export.REVIEW))),
        imported_by=by,
    )
    _boards(reader, files[tables.BOARD], row)
    runs = _runs(reader, files[tables.RUNS], row, pack)
    reader.read(Calibration, files[tables.CALIBRATIONS]["calibrations"])
    reader.read(CalibrationSeries, files[tables.CALIBRATIONS]["calibration_series"])
    sweep = _sweep(reader, files[tables.SWEEP], row)
    _columns(pack, runs)
    AuditEntry.objects.note(by, "imported evidence", sweep, identity=pack.sha256, source=row.source)
    return sweep


def _rows(pack: PackFile, name: str) -> tables.Rows:
    try:
        rows = msgspec.convert(pack.json(name), tables.Rows)
    except msgspec.ValidationError as error:
        raise PackRefused(f"{name}: {error}.") from error
    if sum(map(len, rows.values())) > MOST_ROWS:
        raise PackRefused(f"{name} has more than {MOST_ROWS:,} rows.")
    return rows


def _must_be_new(runs: list[tables.Row]) -> None:
    ids = [uuid.UUID(run["id"]) for run in runs]
    here = Run.objects.filter(pk__in=ids).order_by("queued_at").first()
    if here is not None:
        sweep = Sweep.objects.filter(trials__trial_runs__run=here).order_by("pk").first()
        raise AlreadyHere("Its runs are here already: they were measured or imported here.", sweep)


def _boards(reader: tables.Reader, rows: tables.Rows, pack: Pack) -> None:
    for row in rows["replay_tables"]:
        _same_or_new(reader, ReplayTable, row, {"sha256": row["sha256"]}, pack)
    for row in rows["devices"]:
        device = reader.instance(Device, row, pack=pack, registered_at=None)
        device.name = _free_name(Device, f"{device.name[:40]}-from-{pack.sha256[:8]}")
        device.save()
        reader.remember(Device, row, device)
    for row in rows["networks"]:
        _network(reader, row, pack)
    for row in rows["arrival_traces"]:
        same = {"name": row["name"], "times_s": row["times_s"]}
        _same_or_new(reader, ArrivalTrace, row, same, pack)


def _network(reader: tables.Reader, row: tables.Row, pack: Pack) -> None:
    if row["sha256"]:
        same = {"sha256": row["sha256"]}
    elif row["builtin"]:
        same = {"builtin": row["builtin"]}
    else:
        table = reader.became.get((ReplayTable, str(row["replay_table_id"])))
        same = {"replay_table": table, "workload": row["workload"]}
    _same_or_new(reader, Network, row, same, pack)


def _same_or_new(
    reader: tables.Reader,
    model: type[models.Model],
    row: tables.Row,
    same: dict[str, Any],
    pack: Pack,
) -> None:
    """The row here that is the same thing, or a new one under a free name."""
    found = model.objects.filter(**same).first()
    if found is None:
        found = reader.instance(model, row)
        found.name = _free_name(model, found.name, pack.sha256[:8])
        found.save()
    reader.remember(model, row, found)


def _free_name(model: type[models.Model], name: str, mark: str = "") -> str:
    """`name` where it is free, else with the pack's mark."""
    longest = model._meta.get_field("name").max_length
    is_slug = isinstance(model._meta.get_field("name"), models.SlugField)
    name = slugify(name) if is_slug else name
    if not model.objects.filter(name=name).exists():
        return name[:longest]
    tail = f"-from-{mark}" if is_slug else f" (from {mark})"
    return name[: longest - len(tail)] + tail


def _runs(reader: tables.Reader, rows: tables.Rows, pack: Pack, file: PackFile) -> list[Run]:
    for row in rows["runs"]:
        if row["state"] not in ENDED:
            raise PackRefused(f"Run {row['id']} has not ended.")
    runs = [
        reader.instance(
            Run, row, pack=pack, manifest=file.json(export.manifest_name(str(row["id"])))
        )
        for row in rows["runs"]
    ]
    Run.objects.bulk_create(runs, batch_size=500)
    for row, run in zip(rows["runs"], runs, strict=True):
        reader.remember(Run, row, run)
    reader.read(Phase, rows["phases"])
    reader.read(RunNote, rows["run_notes"])
    reader.read(Verdict, rows["verdicts"])
    return runs


def _sweep(reader: tables.Reader, rows: tables.Rows, pack: Pack) -> Sweep:
    if len(rows["sweeps"]) != 1:
        raise PackRefused(f"A pack holds one sweep; this has {len(rows['sweeps'])}.")
    (sweep,) = reader.read(Sweep, rows["sweeps"], pack=pack)
    if sweep.is_open:
        raise PackRefused("Its sweep has not ended.")
    for model, table in (
        (SweepAxis, "sweep_axes"),
        (Sweep.others.through, "sweep_others"),
        (CpuPhase, "cpu_phases"),
        (CpuTrial, "cpu_trials"),
        (CpuTrialRun, "cpu_trial_runs"),
        (Trial, "trials"),
        (TrialRun, "trial_runs"),
        (Verification, "verifications"),
        (VerificationRun, "verification_runs"),
    ):
        reader.read(model, rows[table])
    return sweep


def _columns(pack: PackFile, runs: list[Run]) -> None:
    with tempfile.TemporaryDirectory() as home:
        samples = pack.extract(export.SAMPLES, Path(home))
        sample_files.load_samples(samples, {run.pk: run for run in runs})
        requests = pack.extract(export.REQUESTS, Path(home))
        sample_files.load_requests(requests, [run.pk for run in runs])
