from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from measurements import replay_tables
from measurements.board.hardware import replay

STARTING = """{name} replays {table}: {cells} cells, {power}.
{note}
./run starts its worker from now on. By hand, beside a running server:
  .venv/bin/python manage.py board_login {name} --out {name}.broker
  .venv/bin/python manage.py board_token {name} --out {name}.token
  .venv/bin/python -m measurements.board.worker --name {name} --server {server} \\
      --broker-file {name}.broker --token-file {name}.token --state-dir {name} --board replay:{spec}
"""


class Command(BaseCommand):
    help = "Add a device that replays a table of real measurements, and say how to start it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the new device's name")
        parser.add_argument(
            "--table",
            default=replay.ORIN_NANO,
            help=f"a latency table (CSV), a table that PolyWeb wrote (JSON), or {replay.ORIN_NANO}",
        )
        parser.add_argument("--power", type=Path, help="its power runs (CSV); without: no energy")
        parser.add_argument(
            "--leave-out", nargs="*", default=[], metavar="WORD",
            help="leave out power runs whose name holds one of these words",
        )  # fmt: skip
        parser.add_argument("--measured-on", default="", help="the board, in words")
        parser.add_argument("--source", default="", help="default: the comment above the table")
        parser.add_argument("--licence", default="")
        parser.add_argument("--cpu-mhz", type=float, help="where the CPU was pinned")
        parser.add_argument("--out", type=Path, help="write the table for its worker here (JSON)")

    def handle(self, *args: Any, name: str, out: Path | None, **options: Any) -> None:
        try:
            table = _table(options)
            device = replay_tables.add_board(name, table)
        except (replay.TableRefused, OSError) as refused:
            raise CommandError(f"{refused}. Nothing was stored.") from refused
        spec = _write(table, out or Path(f"{device.name}.json"))
        self.stdout.write(
            STARTING.format(
                name=device.name,
                table=table.name,
                cells=len(table.cells),
                power=f"power fitted to {table.power.runs} runs" if table.power else "no energy",
                note=replay.note(table),
                server=settings.PUBLIC_URL or "URL",
                spec=spec,
            )
        )


def _table(options: dict[str, Any]) -> replay.ReplayTable:
    what, power = options["table"], options["power"]
    if what == replay.ORIN_NANO or what.endswith(".json"):
        if power is not None:
            raise replay.TableRefused("--power goes with a latency table in CSV only")
        return replay.table_of(what)
    return replay.import_table(
        replay.bytes_of(Path(what)),
        None if power is None else replay.bytes_of(power),
        name=replay_tables.name_of(what),
        board=options["measured_on"],
        source=options["source"],
        licence=options["licence"],
        cpu_mhz=options["cpu_mhz"],
        leave_out=options["leave_out"],
    )


def _write(table: replay.ReplayTable, out: Path) -> str:
    """What `--board replay:` takes: the built-in table's name, or the file just written."""
    if table == replay.orin_nano():
        return replay.ORIN_NANO
    out.write_bytes(replay.encoded(table))
    return str(out)
