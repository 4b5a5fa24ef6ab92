"""What a person reads in a pack: the report with its figures as HTML, and the trials as CSV.

The report needs no network and no PolyWeb: style sheets and Plotly lie beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

from tuning import figures, figures_of_pairs, pairs, results
from tuning.models import Sweep, Verification
from tuning.wording import Question

REPORT = "report.html"
TRIALS = "trials.csv"
ASSETS = ("css/tokens.css", "css/base.css", "css/components.css", "css/charts.css",
          "css/sweep.css", "css/print.css", "js/chart.js", "plotly/plotly.min.js")  # fmt: skip


def of_sweep(sweep: Sweep) -> Iterator[tuple[str, bytes]]:
    """(name in the pack, content) of each page and what it needs."""
    sweep = Sweep.objects.select_related("device", "network").with_standing().get(pk=sweep.pk)
    names = sweep.space().names
    trials = results.rows(sweep, results.latest(sweep), names)
    yield TRIALS, _csv(sweep, names, trials)
    yield "README.md", render_to_string("tuning/evidence/readme.md", {"sweep": sweep}).encode()
    yield REPORT, _report(sweep, names, trials)
    for name in ASSETS:
        yield f"assets/{Path(name).name}", Path(finders.find(name)).read_bytes()


def _report(sweep: Sweep, names: tuple[str, ...], trials: list[results.Result]) -> bytes:
    best = results.best(sweep, names)
    default = best and results.at_default_clocks(sweep, names, best.batch_size)
    checked = sweep.verifications.filter(state=Verification.State.DONE).first()
    answer = pairs.answer(checked) if checked else None
    context = {
        "sweep": sweep,
        "points": len(sweep.space()),
        "best": best,
        "default": default,
        "difference": default and results.less(best, default),
        "progress": results.progress(sweep),
        "statistic": results.STATISTIC_LABELS[sweep.slo_statistic],
        "verification": checked,
        "is_current": bool(checked and sweep.best and sweep.best["trial"] == checked.trial_id),
        "pairs_answer": answer,
        "steps": pairs.rows(checked) if checked else [],
        "axes": names,
        "trials": trials,
        "drawn": [(name, title, _unlinked(one)) for name, title, one in _drawn(sweep, answer)],
        "assets": [Path(name).name for name in ASSETS],
        "source": settings.PUBLIC_URL,
    }
    page = render_to_string("tuning/evidence/report.html", context)
    return page.replace('href="/', f'href="{settings.PUBLIC_URL}/').encode()


def _drawn(sweep: Sweep, answer: pairs.Answer | None) -> Iterator[tuple[str, str, Any]]:
    """(id, the question it answers, figure)."""
    space = sweep.space()
    rows = results.rows(sweep, results.measured(sweep), space.names)
    energy = "Busy energy" if sweep.objective == Sweep.Objective.BUSY else "At-rate energy"
    question = Question(energy, results.STATISTIC_LABELS[sweep.slo_statistic], sweep.slo_ms)
    for one in figures.heat_maps(space, rows, question=question):
        title = f"Which clocks take the least energy at batch {one.batch_size}?"
        yield f"heat-{one.batch_size}", title, one.figure
    scatter = figures.energy_against_latency(rows, question=question)
    yield "against", "What does a shorter latency cost in energy?", scatter
    if answer is not None:
        yield (
            "pairs", "How much does the winner save, pair by pair?",
            figures_of_pairs.savings(answer.comparisons),
        )  # fmt: skip


def _unlinked(figure: Any) -> dict[str, Any]:
    """The figure without its links into PolyWeb's pages, which a file cannot open."""
    drawn = figure.to_plotly_json()
    for trace in drawn["data"]:
        trace.pop("customdata", None)
    return drawn


def _csv(sweep: Sweep, names: tuple[str, ...], trials: list[results.Result]) -> bytes:
    """One line a trial; energies in joules per request with half of their 95 % intervals."""
    written = io.StringIO()
    out = csv.writer(written)
    statistic = sweep.slo_statistic
    out.writerow(["trial", "state", *names, "energy_j_per_request", "energy_half_width_j",
                  f"latency_{statistic}_ms", f"latency_{statistic}_upper_ms", "meets_slo",
                  "mean_power_w", "board_s", "run", "run_state", "device",
                  "provenance"])  # fmt: skip
    for row in trials:
        out.writerow([row.number, row.state, *(row.point[name] for name in names), row.energy_j,
                      row.half_width_j, row.latency_ms, row.upper_ms,
                      row.meets_slo if row.is_measured else None, row.power_w, row.board_s,
                      row.run_id, row.run_state, row.device, sweep.device.provenance])  # fmt: skip
    return written.getvalue().encode()
