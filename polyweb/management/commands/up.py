from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Start the whole system and keep it running: database, broker, web, tuner, demo board."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address of the web server")
        parser.add_argument("--port", type=int, default=8000, help="its port")
        parser.add_argument(
            "--no-demo", dest="demo", action="store_false", help="no emulated board, no demo sweep"
        )
        parser.add_argument(
            "--no-host",
            dest="host_board",
            action="store_false",
            help="this machine is no board: no real inference here",
        )
        parser.add_argument(
            "--board",
            dest="boards",
            action="append",
            default=[],
            metavar="KIND",
            help="one more emulated board: tx2, orin-nano, xavier-nx:user, … (repeatable)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from polyweb.stack import up

        names = ("host", "port", "demo", "host_board")
        chosen = {name: options[name] for name in names}
        up.run(up.Options(**chosen, boards=tuple(options["boards"])))
