"""benchmarks/tuner.py as a person runs it, on other people's tables."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "tuner.py"
HEADER = "board,mode,gpu mhz,batch,joules,ms\n"


def rows(board: str = "a") -> str:
    def line(mode: str, mhz: float, batch: int) -> str:
        joules = (mhz / 400 + 300 / mhz) / batch**0.5
        return f"{board},{mode},{mhz},{batch},{joules:.4f},{9e3 * batch / mhz}\n"

    clocks = (114.75, 318.5, 624.75, 1300.5)
    return "".join(line(m, f, b) for m in ("eco", "max") for f in clocks for b in (1, 2, 4))


def run(table: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--table", str(table), "--energy", "joules",
               "--latency", "ms", "--knobs", "mode,gpu mhz,batch", "--seeds", "1", "--budget", "8",
               *more]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_zipped_table_with_names_as_knobs_is_searched(tmp_path: Path):
    table = tmp_path / "table.csv.gz"
    table.write_bytes(gzip.compress((HEADER + rows("a") + rows("b")).encode()))
    done = run(table, "--where", "board=a", "--where", "mode=eco", "--strategy", "polyweb,random",
               "--slo-factor", "1.5", "--json")  # fmt: skip
    found = {one["strategy"]: one for one in json.loads(done.stdout)}
    assert set(found) == {"polyweb", "random"} and found["polyweb"]["cells"] == 12
    assert found["polyweb"]["problem"] == "a eco 1.5×"


def test_rows_of_one_cell_are_averaged_and_holes_are_allowed(tmp_path: Path):
    table = tmp_path / "table.csv"
    lines = rows().splitlines(keepends=True)
    table.write_text(HEADER + "".join(lines[2:]) + "".join(lines[5:9]))
    done = run(table, "--strategy", "random", "--json")
    assert json.loads(done.stdout)[0]["cells"] == 22


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,eco,200,1,,5", "joules is missing in row 25"),
        ("a,eco,200,,1,5", "batch is missing in row 25"),
        ("a,eco,200,1,nan,5", "joules in row 25 is 'nan'"),
        ("a,eco,200,1,1,-5", "ms in row 25 is '-5'"),
    ],
)
def test_a_missing_value_is_refused_by_row_and_column(tmp_path: Path, line: str, words: str):
    table = tmp_path / "table.csv"
    table.write_text(HEADER + rows() + line + "\n")
    done = run(table, "--strategy", "random")
    assert done.returncode != 0 and words in done.stderr


def test_a_column_that_is_not_there_is_named(tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text(HEADER + rows())
    assert "no column watts" in run(table, "--energy", "watts").stderr
    assert "no such column" in run(table, "--where", "site=x").stderr
