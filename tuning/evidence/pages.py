"""What a person reads in a pack: the report with its figures as HTML, and the trials as CSV.

The report needs no network and no PolyWeb: style sheets and Plotly lie beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

from measurements.charts import Chart
from measurements.units import JOULE
from tuning import baselines, figures, figures_of_pairs, heat_maps, pairs, results
from tuning.models import Sweep, Verification
from tuning.wording import question_of

REPORT = "report.html"
TRIALS = "trials.csv"
ASSETS = ("css/tokens.css", "css/base.css", "css/components.css", "css/charts.css",
          "css/sweep.css", "css/print.css", "js/chart.js", "plotly/plotly.min.js")  # fmt: skip


def of_sweep(sweep: Sweep) -> Iterator[tuple[str, bytes]]:
    """(name in the pack, content) of each page and what it needs."""
    sweeps = Sweep.objects.select_related("device", "network").with_head()
    sweep = sweeps.prefetch_related("axes", "others").get(pk=sweep.pk)
    trials = results.rows(sweep, results.latest(sweep), sweep.space().names)
    yield TRIALS, _csv(sweep, trials)
    yield "README.md", render_to_string("tuning/evidence/readme.md", {"sweep": sweep}).encode()
    yield REPORT, _report(sweep, trials)
    for name in ASSETS:
        yield f"assets/{Path(name).name}", Path(finders.find(name)).read_bytes()


def _report(sweep: Sweep, trials: list[results.Result]) -> bytes:
    best = results.best_of(sweep)
    checked = sweep.verifications.filter(state=Verification.State.DONE).first()
    context = {
        "sweep": sweep,
        "points": len(sweep.space()),
        "best": best,
        "saving": baselines.saving(sweep, best),
        "progress": results.progress(sweep),
        "statistic": results.STATISTIC_LABELS[sweep.slo_statistic],
        "verification": checked,
        "steps": pairs.rows(checked) if checked else [],
        "axes": sweep.space().names,
        "trials": trials,
        "charts": list(_charts(sweep, checked)),
        "styles": [Path(name).name for name in ASSETS if name.endswith(".css")],
        "source": settings.PUBLIC_URL,
        "energy_unit": JOULE,
    }
    page = render_to_string("tuning/evidence/report.html", context)
    return page.replace('href="/', f'href="{settings.PUBLIC_URL}/').encode()


def _charts(sweep: Sweep, checked: Verification | None) -> Iterator[Chart]:
    space = sweep.space()
    rows = results.rows(sweep, results.measured(sweep), space.names)
    question = question_of(sweep)
    if rows:
        yield from heat_maps.charts(space, rows, question=question)
        yield figures.energy_against_latency_chart(rows, question=question)
    if checked is not None:
        yield figures_of_pairs.chart(pairs.answer(checked).comparisons)


def _csv(sweep: Sweep, trials: list[results.Result]) -> bytes:
    """One line a trial; energies in joules per request with half of their 95 % intervals."""
    written = io.StringIO()
    out = csv.writer(written)
    names, statistic = sweep.space().names, sweep.slo_statistic
    out.writerow(["trial", "state", *names, "energy_j_per_request", "energy_half_width_j",
                  f"latency_{statistic}_ms", f"latency_{statistic}_upper_ms", "meets_slo",
                  "mean_power_w", "board_s", "run", "run_state", "device",
                  "provenance", "asked_half_width_percent", "look", "is_superseded"])  # fmt: skip
    for row in trials:
        out.writerow([row.number, row.state, *(row.point[name] for name in names), row.energy_j,
                      row.half_width_j, row.latency_ms, row.upper_ms,
                      row.meets_slo if row.is_measured else None, row.power_w, row.board_s,
                      row.run_id, row.run_state, row.device, sweep.device.provenance,
                      row.precision_percent, row.look, row.is_superseded])  # fmt: skip
    return written.getvalue().encode()
