"""PolyThrottle's findings, asked of the emulated boards: each beside the paper's own figure.

    python benchmarks/paper.py [--seeds 10] [--budget 60] [--only 2,3,7,4.1,4.2] [--json]

Tables 2, 3 and 7 and Figure 4 of arXiv 2310.19991 (its figures are in the shared reference;
absolute joules contradict each other there, so only shares and numbers of trials are compared).
The boards here are a physical model calibrated to published measurements
(docs/emulator.md), without noise: nothing is fitted to the paper. Energies are busy energy
per request (docs/definitions.md) unless a line says otherwise. The emulator does not tell
FP16 from FP32, so the paper's FP16 rows are compared. docs/paper.md explains the differences.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # before numpy reads them

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from paper_figure import figure_4  # noqa: E402
from paper_tables import Row, table_2, table_3, table_7  # noqa: E402


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "2": table_2, "3": table_3, "7": table_7,
        "4.1": lambda: figure_4(1, asked.seeds, asked.budget, asked.noise),
        "4.2": lambda: figure_4(2, asked.seeds, asked.budget, asked.noise),
    }  # fmt: skip
    for name in asked.only.split(","):
        yield from parts[name]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--only", default="2,3,7,4.1,4.2", help="tables; figure 4, by setting")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for row in rows(asked):
        if asked.json:
            print(json.dumps(dataclasses.asdict(row)), flush=True)
        else:
            print(f"| {' | '.join(dataclasses.astuple(row))} |", flush=True)


if __name__ == "__main__":
    main()
