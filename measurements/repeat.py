"""Measure a run's plan again, and say whether the two differ by more than noise.

The new run asks for the same network, point, load and length, by default with the same
seed. Both 95 % intervals say how sure each run is of this board's mean there and then;
two runs differ by more than noise where their difference exceeds both in quadrature.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements import latency, statistics, tasks
from measurements.comparison import Estimate
from measurements.models import AuditEntry, Run

ENDED = (Run.State.DONE, Run.State.INVALID, Run.State.CANCELLED)
EXPECTED_CHANGES = ("run_id", "record_sha256", "started_at", "attempt", "sampler_cpu")
"""Parts of a manifest that no two runs share."""


class RepeatRefused(ValueError):
    """This run cannot be measured again; the text says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantity of both runs, and what to think of their difference."""

    what: str
    unit: str
    first: Estimate
    again: Estimate

    @property
    def change(self) -> Estimate:
        """again - first."""
        before, after = self.first.value, self.again.value
        if before is None or after is None:
            return Estimate(None, None)
        width = statistics.combined(self.first.half_width, self.again.half_width)
        return Estimate(after - before, width)

    @property
    def is_noise(self) -> bool | None:
        """Whether the change lies within both intervals; None if that is not known."""
        change = self.change
        if change.value is None or change.half_width is None:
            return None
        return abs(change.value) <= change.half_width

    @property
    def words(self) -> str:
        percent = self._percent()
        if self.is_noise is None:
            return f"{self.what}: not known for both runs, so it cannot be compared."
        if self.change.value == 0:
            return f"{self.what}: exactly the same."
        if self.is_noise:
            return f"{self.what}: {percent}, which is noise."
        return f"{self.what}: {percent}, which is more than noise."

    def _percent(self) -> str:
        change, first = self.change, self.first.value
        if not first or change.value is None or change.half_width is None:
            return "changed"
        share, width = 100 * change.value / first, 100 * change.half_width / first
        return f"{share:+.2f} % ± {width:.2f} %".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs of one plan."""

    first: Run
    again: Run
    differences: list[Difference]
    changes: list[str]
    """What the manifests say differently, beyond what always differs."""

    @property
    def words(self) -> str:
        """The verdict in a sentence or two."""
        if self.again.state != Run.State.DONE or self.first.state != Run.State.DONE:
            return "One of the two runs is not valid, so nothing can be said of their difference."
        seeds = "the same seed" if self.first.seed == self.again.seed else "another seed"
        beyond = [found.what for found in self.differences if found.is_noise is False]
        if all(found.is_noise is None for found in self.differences):
            return "Nothing is known of both runs with an interval, so they cannot be compared."
        if not beyond:
            return f"Repeated with {seeds}: the difference is noise."
        return (
            f"Repeated with {seeds}: more than noise in {' and '.join(beyond)}. By chance alone "
            "each quantity would show that in one repeat of twenty; else something has changed."
        )


@transaction.atomic
def repeat(run: Run, *, new_seed: bool = False, by: AbstractUser | None = None) -> Run:
    """A queued run with the plan of `run`; its board is told once the row is committed.

    Raises:
        RepeatRefused: It is an imported log, or has not ended.
    """
    if run.origin != Run.Origin.MEASURED or run.device is None:
        raise RepeatRefused("An imported log has no device and no plan: it cannot be repeated.")
    if run.pack_id:
        raise RepeatRefused("This run was imported: its board is elsewhere.")
    if run.state not in ENDED:
        raise RepeatRefused("This run has not ended yet.")
    again = Run.objects.create(
        **{field: getattr(run, field) for field in _asked()},
        seed=secrets.randbelow(2**31) if new_seed else run.seed,
        created_by=by,
        repeat_of=run,
    )
    AuditEntry.objects.note(by, "repeated", run, again=str(again.pk))
    transaction.on_commit(partial(tasks.dispatch.delay, run.device_id), robust=True)
    return again


def compare(first: Run, again: Run) -> Comparison:
    """Energies and latencies of two runs of one plan, with their intervals."""
    pairs = [
        ("Busy energy per request", "J", _busy(first), _busy(again)),
        ("At-rate energy per request", "J", _at_rate(first), _at_rate(again)),
    ]
    logs = [latency.of(getattr(run, "request_log", None)) for run in (first, again)]
    pairs += [
        ("Mean latency", "ms", *(latency.mean(log) for log in logs)),
        ("95th percentile of latency", "ms", *(latency.percentile(log, 0.95) for log in logs)),
    ]
    differences = [Difference(*pair) for pair in pairs]
    known = [found for found in differences if found.first.value is not None]
    return Comparison(first, again, known, list(changes(first.manifest, again.manifest)))


def changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What two manifests say differently, as "path: before → after"."""
    for key in sorted(before.keys() | after.keys()):
        was, now, where = before.get(key), after.get(key), f"{path}{key}"
        if where in EXPECTED_CHANGES or was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            yield from changes(was, now, f"{where}.")
        else:
            yield f"{where}: {_short(was)} → {_short(now)}"


def _asked() -> list[str]:
    """The columns that say what was asked, in `Run` from `gpu_min_hz` to before `state`."""
    names = [field.name for field in Run._meta.concrete_fields]
    asked = names[names.index("gpu_min_hz") : names.index("state")]
    return ["device", "network", *(name for name in asked if name != "seed")]


def _busy(run: Run) -> Estimate:
    return Estimate(run.busy_energy_j, run.busy_half_width_j)


def _at_rate(run: Run) -> Estimate:
    return Estimate(run.at_rate_energy_j, run.at_rate_half_width_j)


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
