import json
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from measurements import repeat
from measurements.models import Run
from measurements.repeat import Comparison, Estimate

POLL_S = 0.5


class Command(BaseCommand):
    help = "Measure a run's plan again on its board, wait for it, and compare the two."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run_id", type=UUID)
        parser.add_argument("--new-seed", action="store_true", help="another draw of the load")
        parser.add_argument("--against", type=UUID, help="compare with this run; measure nothing")
        parser.add_argument("--timeout", type=float, default=900.0, help="seconds to wait")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, run_id: UUID, **options: Any) -> None:
        first = _run(run_id)
        if options["against"] is not None:
            again = _run(options["against"])
        else:
            again = self._repeat(first, new_seed=options["new_seed"])
            _wait(again, timeout_s=options["timeout"])
        comparison = repeat.compare(first, again)
        told = json.dumps(as_json(comparison)) if options["json"] else as_text(comparison)
        self.stdout.write(told)

    def _repeat(self, first: Run, *, new_seed: bool) -> Run:
        try:
            again = repeat.repeat(first, new_seed=new_seed)
        except repeat.RepeatRefused as refused:
            raise CommandError(str(refused)) from refused
        self.stderr.write(f"run {again.pk} is queued for {first.device}")
        return again


def as_text(comparison: Comparison) -> str:
    lines = [comparison.words, *(f"  {found.words}" for found in comparison.differences)]
    if comparison.changes:
        lines += ["Their manifests differ in:", *(f"  {change}" for change in comparison.changes)]
    return "\n".join(lines)


def as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "first": str(comparison.first.pk),
        "again": str(comparison.again.pk),
        "state": comparison.again.state,
        "words": comparison.words,
        "differences": [
            {
                "what": found.what,
                "unit": found.unit,
                "first": _estimate(found.first),
                "again": _estimate(found.again),
                "change": _estimate(found.change),
                "is_noise": found.is_noise,
            }
            for found in comparison.differences
        ],
        "manifest_changes": comparison.changes,
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "half_width": estimate.half_width}


def _run(run_id: UUID) -> Run:
    found = Run.objects.select_related("device", "network").filter(pk=run_id).first()
    if found is None:
        raise CommandError(f"there is no run {run_id}")
    return found


def _wait(run: Run, *, timeout_s: float) -> None:
    """Until `run` has ended.

    Raises:
        CommandError: It did not within the time; it stays queued.
    """
    deadline_s = time.monotonic() + timeout_s
    while run.state not in repeat.ENDED:
        if time.monotonic() > deadline_s:
            raise CommandError(
                f"run {run.pk} is still {run.state} after {timeout_s:g} s; it stays in the queue. "
                f"Compare later: repeat_run {run.repeat_of_id} --against {run.pk}"
            )
        time.sleep(POLL_S)
        run.refresh_from_db()
