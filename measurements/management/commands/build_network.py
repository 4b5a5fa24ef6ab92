from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from measurements import builtin_networks, zoo
from measurements.models import Network


class Command(BaseCommand):
    help = "Write a built-in network as a real ONNX graph; the same bytes every time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=sorted(zoo.BUILTINS))
        parser.add_argument("--out", type=Path, help="a file; else it becomes the network's file")

    def handle(self, *args: Any, name: str, out: Path | None, **options: Any) -> None:
        if out is not None:
            if not out.parent.is_dir():
                raise CommandError(f"{out.parent} is not a directory")
            builtin_networks.write_graph(name, out)
            self.stdout.write(f"{out}: {out.stat().st_size} bytes")
            return
        network = Network.objects.filter(builtin=name).first()
        if network is None:
            raise CommandError("this network has no row; run seed_networks first")
        path = builtin_networks.ensure_file(network)
        network.refresh_from_db()
        self.stdout.write(f"{path}: {network.size_bytes} bytes, sha256 {network.sha256}")
