"""The deed: a sweep that has ended becomes an evidence pack."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import IO

import msgspec
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils import timezone

from measurements import sample_files
from measurements.models import AuditEntry, PowerSample, Run
from measurements.recording import DEFINITIONS
from tuning.evidence import pages, tables, told
from tuning.evidence.seal import Writer
from tuning.models import Sweep

SAMPLES = "samples.parquet"
REQUESTS = "requests.parquet"
REVIEW = "review.json"
README = "README.md"


class NotReady(ValueError):
    """This sweep cannot be packed now; the text says why."""


def export(sweep: Sweep, to: IO[bytes], *, by: AbstractUser | None) -> str:
    """Write the pack of `sweep` into `to`; its identity (the SHA-256 of its seal).

    All of it is read in one snapshot of the database.

    Raises:
        NotReady: The sweep or a verification of it is under way, or it is too large.
    """
    if sweep.is_open:
        raise NotReady("A sweep is packed once it has ended; cancel it, or wait.")
    with transaction.atomic(), tempfile.TemporaryDirectory() as home:
        found = tables.of_sweep(sweep)
        runs = found[tables.RUNS]["runs"]
        if PowerSample.objects.filter(run__in=runs).count() > sample_files.MOST_ROWS:
            raise NotReady(f"It has more than {sample_files.MOST_ROWS:,} samples.")
        with zipfile.ZipFile(to, "w") as archive:
            writer = Writer(archive)
            _add_rows(writer, found)
            _add_manifests(writer, runs)
            _add_columns(writer, runs, Path(home))
            writer.add(REVIEW, _json(told.of_sweep(sweep)))
            for name, content in pages.of_sweep(sweep):
                writer.add(name, content)
            identity = writer.seal(
                title=sweep.name,
                made_at=timezone.now().isoformat(),
                made_by=by.get_username() if by else "",
                source=settings.PUBLIC_URL,
                definitions=DEFINITIONS,
            )
        AuditEntry.objects.note(by, "took away evidence", sweep, identity=identity)
        return identity


def _add_rows(writer: Writer, found: dict[str, dict[str, models.QuerySet]]) -> None:
    for name, queries in found.items():
        rows = {table: [tables.row_of(one) for one in query] for table, query in queries.items()}
        writer.add(name, _json(rows))


def _add_manifests(writer: Writer, runs: models.QuerySet[Run]) -> None:
    for run, manifest in runs.values_list("pk", "manifest"):
        writer.add(manifest_name(str(run)), _json(manifest))


def _add_columns(writer: Writer, runs: models.QuerySet[Run], home: Path) -> None:
    sample_files.write_samples(home / SAMPLES, runs)
    sample_files.write_requests(home / REQUESTS, runs)
    for name in (SAMPLES, REQUESTS):
        writer.add(name, home / name)


def manifest_name(run: str) -> str:
    return f"manifests/{run}.json"


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=1)
