"""How long the parser takes for one line of tegrastats.

    python benchmarks/sampler.py [--json]

Each captured line is parsed many times; the figure is CPU time per line, the least of
many rounds for the machine's own speed and the median of them for its usual load.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from measurements.board.hardware.tegrastats import parse  # noqa: E402

LINES_FILE = ROOT / "measurements/tests/data/tegrastats_golden.jsonl"
ROUNDS = 200


def parsing_us(lines: list[str], rounds: int) -> list[float]:
    """Microseconds of CPU time per line, for each round over all `lines`."""
    figures = []
    for _ in range(rounds):
        began_ns = time.process_time_ns()
        for line in lines:
            parse(line)
        figures.append((time.process_time_ns() - began_ns) / 1000 / len(lines))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    lines = [json.loads(text)["line"] for text in LINES_FILE.read_text().splitlines()]
    figures = parsing_us(lines, ROUNDS)
    result = {
        "lines": len(lines),
        "mean_line_characters": round(statistics.mean(map(len, lines)), 1),
        "rounds": ROUNDS,
        "parse_us_per_line_least": round(min(figures), 2),
        "parse_us_per_line_median": round(statistics.median(figures), 2),
    }
    if as_json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
