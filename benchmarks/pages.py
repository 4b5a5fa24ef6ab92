"""How fast every page is with 10,000 runs in 200 sweeps and 10 million samples.

    .venv/bin/python benchmarks/pages.py [--json] [--rounds 20] [--without-peer]

Starts a PolyWeb of its own under var/benchmarks/pages, fills it once with labelled synthetic rows
(`manage.py fill_database`), and asks for each page: server time (from the request to the last
byte, one at a time over one connection), queries, bytes as transferred (gzip accepted), and the
time until the first chart stands in Chromium, twice: on the first visit with a new profile, and on
later ones, when that profile holds the scripts as every reader's browser does. Beside it, in the
same run: optuna-dashboard with a study of as many trials, in an environment of its own, visited
likewise.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import pages_peer
from pages_drawn import charts_ms, drawn_on
from pages_served import ROOT, fill, pages_of, queries_of, served, sign_in, started

KEPT = ROOT / "var" / "benchmarks" / "pages"
PEER = ROOT / "var" / "benchmarks" / "peer"
AIM_MS, AIM_QUERIES, AIM_CHART_MS = 100.0, 12, 1000.0
PEERS_ROUNDS = 5
NO_CHART = (None, None)


@dataclass(frozen=True, slots=True)
class Measured:
    """One page; the times of its first chart are counted from the start of the navigation.

    None: it has no chart. Infinite: it should have one, and none came.
    """

    page: str
    path: str
    p50_ms: float
    p95_ms: float
    queries: int | None
    kilobytes: float
    first_visit_ms: float | None
    """With a new profile: nothing is kept of any script."""
    chart_ms: float | None
    """The median of later visits; the aim is judged by it."""

    @property
    def misses(self) -> list[str]:
        missed = []
        if self.p95_ms > AIM_MS:
            missed.append("time")
        if (self.queries or 0) > AIM_QUERIES:
            missed.append("queries")
        if (self.chart_ms or 0) > AIM_CHART_MS:
            missed.append("chart")
        return missed


def main() -> None:
    arguments, before = _arguments(), os.getloadavg()[0]
    sizes = {name: getattr(arguments, name) for name in ("runs", "sweeps", "samples")}
    with started(arguments.var, arguments.port) as system:
        fill(system, **sizes)
        pages, cookie = pages_of(system), sign_in(system.port)
        queries = queries_of(system, pages)
        answers = {name: served(system.port, path, cookie, arguments.rounds)
                   for name, path in pages.items()}  # fmt: skip
        charts = {name: charts_ms(system.port, drawn_on(path), cookie)
                  for name, path in pages.items() if answers[name].draws}  # fmt: skip
        found = [
            Measured(name, path, *answers[name][:2], queries[name], answers[name].kilobytes,
                     *charts.get(name, NO_CHART))
            for name, path in pages.items()
        ]  # fmt: skip
        peer = None if arguments.without_peer else _peer(arguments)
    _tell(found, peer, as_json=arguments.json, load=(before, os.getloadavg()[0]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=20, help="requests for each page")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--port", type=int, default=8190)
    parser.add_argument("--var", type=Path, default=KEPT, help="kept and used again")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--peer", type=Path, default=PEER, help="the peer's environment and study")
    return parser.parse_args()


def _peer(arguments: argparse.Namespace) -> Measured:
    """optuna-dashboard's page of a study with as many trials as there are runs."""
    port, trials = arguments.port + 1, arguments.runs
    with pages_peer.dashboard(arguments.peer, trials=trials, port=port):
        data = served(port, pages_peer.DATA, "", PEERS_ROUNDS)
        charts = charts_ms(port, pages_peer.PAGE, "", patience_ms=pages_peer.PATIENCE_MS, later=1)
    return Measured(f"optuna-dashboard, {trials:,} trials", pages_peer.PAGE, data.p50_ms,
                    data.p95_ms, None, data.kilobytes, *charts)  # fmt: skip


def _tell(
    found: list[Measured], peer: Measured | None, *, as_json: bool, load: tuple[float, float]
) -> None:
    if as_json:
        rows = [_row(one) | {"misses": one.misses} for one in found]
        about = {"load_before": load[0], "load_after": load[1], "cores": os.cpu_count()}
        print(json.dumps({**about, "pages": rows, "peer": peer and _row(peer)}, indent=2))
        return
    print(f"{os.cpu_count()} cores; load average {load[0]:.1f} before, {load[1]:.1f} after.\n")
    print("| Page | p50, ms | p95, ms | Queries | kB | First visit, ms | Later, ms | Misses |")
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    for one in [*found, *([peer] if peer else [])]:
        first, later = _words(one.first_visit_ms), _words(one.chart_ms)
        queries = "" if one.queries is None else one.queries
        misses = ", ".join(one.misses) if one is not peer else ""
        print(f"| {one.page} | {one.p50_ms:.0f} | {one.p95_ms:.0f} | {queries} | "
              f"{one.kilobytes:.0f} | {first} | {later} | {misses} |")  # fmt: skip
    print(f"\n{_verdict(found, peer)}")


def _words(chart_ms: float | None) -> str:
    if chart_ms is None:
        return "–"
    return "none came" if chart_ms == math.inf else f"{chart_ms:,.0f}"


def _row(one: Measured) -> dict[str, object]:
    """JSON has no infinity: a chart that did not come is null, and "chart" stands in the misses."""
    return {k: None if value == math.inf else value for k, value in asdict(one).items()}


def _verdict(found: list[Measured], peer: Measured | None) -> str:
    charts = [one.chart_ms for one in found if one.chart_ms is not None]
    missed = [one for one in found if one.misses]
    words = f"{len(found) - len(missed)} of {len(found)} pages meet every aim"
    if peer is None or not charts or math.inf in (peer.chart_ms, *charts):
        return f"{words}; how far ahead of the peer is not known."
    ahead = sorted(peer.chart_ms / one for one in charts)
    return (f"{words}; on later visits first charts come {ahead[0]:.1f} to {ahead[-1]:.1f} times "
            "as soon as the peer's.")  # fmt: skip


if __name__ == "__main__":
    main()
