"""Kill whoever holds an emulated board's clocks, at random moments, and see whether they come back.

    python benchmarks/kill_restore.py [--times 200] [--kind agx-orin] [--seed 1] [--jobs 2] [--json]

Real processes and SIGKILL; clock files as slow as a board's. Before each kill the clocks are set
to random legal values, so that "as before" is not "as booted". A reboot puts everything under
/sys back to boot values and leaves the disk; then the command of polyweb-restore.service runs.
Every file under /sys is compared: with before the kill, or with the boot values where a reboot
came while nothing was held. A clock that was changed without a restore file on the disk counts
as not restored. Exits with 1 if a board did not come back.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from measurements.tests.killed_worker import MOMENTS, WAYS, Bench, Outcome  # noqa: E402


def kills(times: int, kind: str, seed: int, jobs: int) -> list[Outcome]:
    """Shared out over `jobs` boards, each with processes of its own."""
    with ThreadPoolExecutor(jobs) as pool:
        shares = [pool.submit(_share, range(job, times, jobs), kind, seed + job)
                  for job in range(jobs)]  # fmt: skip
        return [outcome for share in shares for outcome in share.result()]


def _share(numbers: range, kind: str, seed: int) -> list[Outcome]:
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), kind, seed)
        return [bench.kill(WAYS[n % len(WAYS)]) for n in numbers]


def table(outcomes: list[Outcome]) -> dict[str, dict[str, str]]:
    """Way -> moment -> "restored of killed"."""
    killed = Counter((outcome.way, outcome.moment) for outcome in outcomes)
    back = Counter((outcome.way, outcome.moment) for outcome in outcomes if outcome.is_restored)
    cells = {way: {m: f"{back[way, m]} of {killed[way, m]}" for m in MOMENTS} for way in WAYS}
    return {way: row | {"all": _sum(way, outcomes)} for way, row in cells.items()}


def _sum(way: str, outcomes: list[Outcome]) -> str:
    of_way = [outcome for outcome in outcomes if outcome.way == way]
    return f"{sum(outcome.is_restored for outcome in of_way)} of {len(of_way)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--kind", default="agx-orin")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    outcomes = kills(asked.times, asked.kind, asked.seed, asked.jobs)
    alone = [outcome.restored_after_s for outcome in outcomes if "lives" in outcome.way]
    rebooted = [outcome for outcome in outcomes if "reboot" in outcome.way]
    result = {
        "board": f"emulated {asked.kind}",
        "seed": asked.seed,
        "kills": len(outcomes),
        "restored": sum(outcome.is_restored for outcome in outcomes),
        "clocks_differed_at_the_kill": sum(outcome.had_changed for outcome in outcomes),
        "reboots_while_nothing_was_held": sum(not outcome.was_on_disk for outcome in rebooted),
        "longest_until_a_living_helper_had_restored_s": round(max(alone, default=0.0), 3),
        "table": table(outcomes),
    }
    print(json.dumps(result) if asked.json else _text(result))
    sys.exit(0 if result["restored"] == result["kills"] else 1)


def _text(result: dict[str, object]) -> str:
    rows = result.pop("table")
    assert isinstance(rows, dict)
    head = ["killed, then", *MOMENTS, "all"]
    lines = [head, ["---"] * len(head), *([way, *row.values()] for way, row in rows.items())]
    figures = [f"{name:46} {value}" for name, value in result.items()]
    return "\n".join([*figures, "", *("| " + " | ".join(line) + " |" for line in lines)])


if __name__ == "__main__":
    main()
