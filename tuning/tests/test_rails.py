from __future__ import annotations

import pytest

from measurements.tests.rows import make_device
from tuning import rail_figures, rails
from tuning.tests.rows import make_sweep, make_trial
from tuning.tests.test_figures import QUESTION

pytestmark = pytest.mark.django_db


def test_the_winner_comes_first_then_the_next_best_within_the_limit():
    sweep = make_sweep(slo_ms=50.0)
    make_trial(sweep, busy_energy_j=0.5)
    make_trial(sweep, busy_energy_j=0.4)
    make_trial(sweep, busy_energy_j=0.1, latency_p95_upper_ms=60.0)
    names = [one.name.split(":")[0] for one in rails.configurations(sweep)]
    assert names == ["winner", "trial 1", "trial 3"]


def test_rails_that_make_the_total_add_up_to_it():
    sweep = make_sweep()
    make_trial(sweep)  # 0.2 + 0.1 + 0.1; the memory's rail is no part of the total.
    (bar,) = rails.configurations(sweep)
    assert {share.name for share in bar.shares} == {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}
    assert sum(share.energy_j for share in bar.shares) == pytest.approx(bar.total_j)


def test_what_no_rail_accounts_for_is_a_part_of_its_own():
    device = make_device(rails=["IN", "GPU"], rail_parts=["input", "gpu"], total_of=["IN"])
    sweep = make_sweep(device=device)
    make_trial(sweep, rails=["IN", "GPU"], total_of=["IN"], rail_busy_energy_j=[0.4, 0.3])
    (bar,) = rails.configurations(sweep)
    assert [(s.name, pytest.approx(s.energy_j)) for s in bar.shares] == [
        ("GPU", 0.3),
        ("not attributed", 0.1),
    ]
    drawn = rail_figures.chart([bar], question=QUESTION)
    assert [one.name for one in drawn.figure.checked().data] == ["GPU", "not attributed"]
    assert drawn.figure.checked().data[1].marker.pattern.shape == "\\"
    assert drawn.table.rows[0][2:] == ["300", "100"]


def test_a_run_without_rails_has_no_bar():
    sweep = make_sweep()
    make_trial(sweep, rails=[], rail_busy_energy_j=[])
    assert rails.configurations(sweep) == []
