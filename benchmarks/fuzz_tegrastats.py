"""Spoil captured lines of tegrastats a million times and judge what the parser makes of them.

    python benchmarks/fuzz_tegrastats.py [--lines 1000000] [--seed 1] [--json]

Bits flipped, lines cut, glued and cut out of, words and characters swapped, foreign digits,
absurd numbers, stray syntax, up to four of them in one line. Nothing may raise, and every
value given out must stand in the line at its own name (measurements/tests/mutated_lines.py,
which shares nothing with the parser). Exits with 1 if one does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from measurements.board.hardware.tegrastats import parse  # noqa: E402
from measurements.tests.mutated_lines import captured_lines, judge, mutants  # noqa: E402

SHOWN_FAILURES = 10


def fuzz(count: int, seed: int) -> dict[str, object]:
    lines, failures, values, distinct = captured_lines(), [], 0, set()
    began_s = time.monotonic()
    for mutant in islice(mutants(lines, seed=seed), count):
        distinct.add(hash(mutant.text))
        try:
            wrong = judge(mutant)
            stated = parse(mutant.text, complete=mutant.cut_from is None)
        except Exception as error:  # whatever it is, it is a finding
            failures.append({"line": mutant.text, "wrong": repr(error)})
            continue
        values += len(stated.rails_w) + len(stated.temps_c) + len(stated.cpus)
        if wrong:
            failures.append({"line": mutant.text, "wrong": wrong})
    return {
        "captured_lines": len(lines),
        "mutated_lines": count,
        "distinct_lines": len(distinct),
        "seed": seed,
        "values_judged": values,
        "failures": len(failures),
        "first_failures": failures[:SHOWN_FAILURES],
        "wall_s": round(time.monotonic() - began_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    result = fuzz(asked.lines, asked.seed)
    if asked.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:16} {value}")
    sys.exit(1 if result["failures"] else 0)


if __name__ == "__main__":
    main()
