import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from measurements.models import Run
from tuning.filling.fill import fill


class Command(BaseCommand):
    help = (
        "Fill an empty database with synthetic sweeps, runs and samples, each labelled so, to "
        "try the pages with many rows. Never for a database that holds measurements."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--runs", type=int, default=10_000)
        parser.add_argument("--sweeps", type=int, default=200)
        parser.add_argument("--samples", type=int, default=10_000_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--beside",
            action="store_true",
            help="although there are runs: the synthetic rows stand beside them, and stay",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if Run.objects.exists() and not options["beside"]:
            raise CommandError(
                "There are runs in this database. Take an empty one (POLYWEB_VAR=…), or say "
                "--beside to put synthetic rows beside them; they cannot be taken out again."
            )
        if not 0 < options["sweeps"] <= options["runs"] or options["samples"] < 0:
            raise CommandError("Ask for at least one sweep, and for a run at least in each.")
        began = time.monotonic()
        wanted = {name: options[name] for name in ("runs", "sweeps", "samples", "seed")}
        stored = fill(**wanted, say=self.stdout.write)
        what = ", ".join(f"{count:,} {name}" for name, count in stored.items())
        self.stdout.write(f"{what} in {time.monotonic() - began:.0f} s; all synthetic.")
