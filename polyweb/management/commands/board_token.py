from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from measurements.models import Device, DeviceToken
from polyweb.stack import secrets


class Command(BaseCommand):
    help = "Issue a token for a board, making its device if need be; write it to a file (0600)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the device's name")
        parser.add_argument("--out", type=Path, required=True, help="file for the token")
        parser.add_argument("--force", action="store_true", help="replace the file")

    def handle(self, *args: Any, name: str, out: Path, force: bool, **options: Any) -> None:
        if out.exists() and not force:
            raise CommandError(f"{out} exists; --force replaces it (its token stays valid).")
        secrets.write(out, DeviceToken.issue(_device(name)) + "\n")
        self.stdout.write(f"A token of {name} is in {out}. Older ones stay valid until revoked.")


def _device(name: str) -> Device:
    device = Device.objects.filter(name=name).first() or Device(name=name)
    try:
        device.full_clean(exclude=[f.name for f in Device._meta.fields if f.name != "name"],
                          validate_unique=False)  # fmt: skip
    except ValidationError as error:
        raise CommandError(f"{name!r} is no name for a device: {error.messages[0]}") from error
    if device.pk is None:
        device.save()
    return device
