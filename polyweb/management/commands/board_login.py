from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from polyweb.stack import logins, secrets


class Command(BaseCommand):
    help = "Make or renew a board's broker login; write its broker URL to a file (0600)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the device's name")
        parser.add_argument("--out", type=Path, required=True, help="file for the broker URL")
        parser.add_argument(
            "--broker", help="the broker as the board reaches it, rediss://HOST:PORT"
        )
        parser.add_argument("--force", action="store_true", help="replace the file")

    def handle(self, *args: Any, name: str, out: Path, **options: Any) -> None:
        if out.exists() and not options["force"]:
            raise CommandError(f"{out} exists; --force replaces it and ends the login in it.")
        try:
            url = logins.grant(settings.REDIS_URL, name, seen_as=options["broker"])
            secrets.write(out, url + "\n")
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The broker URL of {name} is in {out}. An older one no longer works.")
