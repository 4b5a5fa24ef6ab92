"""Evidence packs from the command line: check one, take a sweep away as one, bring one in."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tuning.evidence import export, importing
from tuning.evidence.seal import PackRefused, opened
from tuning.models import Sweep


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        check = deeds.add_parser("check", help="is every byte what pack.json says?")
        check.add_argument("file", type=Path)
        taken = deeds.add_parser("export", help="write the pack of a sweep that has ended")
        taken.add_argument("sweep", type=int, help="its number, as in the address of its page")
        taken.add_argument("file", type=Path)
        brought = deeds.add_parser("import", help="store a pack; marked as imported")
        brought.add_argument("file", type=Path)

    def handle(self, *, deed: str, **options: Any) -> None:
        deeds = {"check": self._check, "export": self._export, "import": self._import}
        try:
            deeds[deed](**{name: options[name] for name in ("file", "sweep") if name in options})
        except (PackRefused, export.NotReady, OSError) as error:
            raise CommandError(str(error)) from error

    def _check(self, file: Path) -> None:
        with opened(file) as pack:
            self.stdout.write(f"{len(pack.seal.files)} files are as sealed")
            self.stdout.write(f"identity {pack.sha256}")

    def _export(self, sweep: int, file: Path) -> None:
        found = Sweep.objects.filter(pk=sweep).first()
        if found is None:
            raise CommandError(f"There is no sweep {sweep}.")
        with file.open("xb") as target:
            identity = export.export(found, target, by=None)
        self.stdout.write(f"{file}: identity {identity}")

    def _import(self, file: Path) -> None:
        sweep = importing.load(file, by=None)
        self.stdout.write(f"sweep {sweep.pk}: {sweep}, from {sweep.pack.source}")
