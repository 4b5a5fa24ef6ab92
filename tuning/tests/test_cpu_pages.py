"""The launch form's two phases, and the tab that says what the CPU clock saves."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from measurements import tasks as measurement_tasks
from measurements.models import RequestLog
from measurements.roles import OPERATOR
from measurements.tests.rows import CPU_HZ, make_device, make_network, make_user
from tuning import launching, search
from tuning.forms import LaunchForm
from tuning.models import Sweep
from tuning.tests.rows import make_phase, make_sweep
from tuning.tests.test_cpu_search import ended, under_way
from tuning.tests.test_forms import sent

pytestmark = pytest.mark.django_db
TOKENS = {"input_shape": [None, 128], "input_dtype": "int64"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", lambda device: None)
    monkeypatch.setattr("tuning.tasks.advance.delay_on_commit", lambda pk: None)


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def launched(operator: Client, **changes) -> Sweep:
    answer = operator.post(reverse("sweep_new"), sent(**changes))
    assert answer.status_code == 302, answer.context["form"].errors
    return Sweep.objects.get()


def tab(operator: Client, sweep: Sweep) -> str:
    return operator.get(reverse("sweep_panel", args=[sweep.pk, "cpu"])).content.decode()


def test_the_form_offers_the_phase_first_and_tells_its_size_and_time(operator):
    make_device(), make_network()
    page = operator.get(reverse("sweep_new")).content.decode()
    assert '<option value="thinned" selected>' in page
    size = operator.post(reverse("sweep_size"), sent(cpu_phase="all")).content.decode()
    assert "Phase 1: CPU clock" in size and "of 3 clocks" in size and "Phase 2: trials" in size


def test_a_launch_with_the_phase_leaves_the_cpu_clock_out_of_the_space(operator):
    sweep = launched(operator, cpu_phase="thinned", cpu_hz_how="all")
    assert sweep.phase.clocks_hz == CPU_HZ and sweep.phase.is_thinned and sweep.phase.is_open
    assert "cpu_hz" not in sweep.space().names
    again = launching.settings_of(sweep)
    assert (again["cpu_phase"], again["cpu_hz_how"]) == ("thinned", "found")


def test_without_the_phase_the_cpu_clock_is_a_knob_like_the_others(operator):
    sweep = launched(operator, cpu_phase="", cpu_hz_how="all", budget_trials="36")
    assert sweep.phase is None
    assert dict(zip(sweep.space().names, sweep.space().axes, strict=True))["cpu_hz"].values == (
        tuple(CPU_HZ)
    )
    assert launching.settings_of(sweep)["cpu_phase"] == ""
    assert "No phase of its own" in tab(operator, sweep)


def test_a_network_that_takes_no_pictures_skips_the_phase_and_the_page_says_so(operator):
    sweep = launched(operator, network=make_network(**TOKENS), cpu_phase="thinned")
    assert sweep.phase.state == "skipped"
    assert "takes no pictures" in tab(operator, sweep)
    search.advance(sweep.pk)
    assert sweep.trials.count() == 1


def test_two_cpu_clocks_are_too_few_for_a_phase():
    changes = {"cpu_phase": "all", "cpu_hz_how": "some", "cpu_hz_values": CPU_HZ[:2]}
    form = LaunchForm(sent(**changes))
    assert "at least 3" in form.errors["cpu_phase"][0]


def test_a_board_that_does_not_tell_its_power_has_no_phase():
    form = LaunchForm(sent(device=make_device(total_of=[]), cpu_phase="all"))
    assert form.is_valid(), form.errors
    assert not form.has_cpu_phase and form.cleaned_data["cpu_phase"] == ""


def chosen_phase() -> Sweep:
    """A sweep whose phase has chosen the middle clock: 20 W and 19 W for whole requests."""
    sweep = make_sweep(slo_ms=200.0, axes={"gpu_max_hz": [114_750_000], "batch_size": [1]})
    phase = make_phase(sweep)
    search.advance(sweep.pk)
    whole = {"inference_s": 10.0, "window_start_s": 0, "window_end_s": 10,
             "busy_half_width_j": 0.004, "latency_mean_ms": 80.0}  # fmt: skip
    run = ended(sweep, mean_power_w=20.0, **whole)
    for hz, power_w in ((None, 9.0), (CPU_HZ[2], 9.0), (CPU_HZ[1], 6.0), (CPU_HZ[0], 5.5)):
        time_s = 4e7 / (hz or CPU_HZ[2])
        ended(
            sweep, mean_power_w=power_w, idle_power_w=5.0, latency_mean_ms=1e3 * time_s,
            busy_energy_j=power_w * time_s, busy_half_width_j=0.001,
            rails=["VDD_GPU_SOC", "VDD_CPU_CV"], rail_busy_energy_j=[0.1, 0.05],
        )  # fmt: skip
    run = ended(sweep, mean_power_w=19.0, **whole)
    RequestLog.objects.create(
        run=run, arrival_s=[0.0, 0.1], start_s=[0.0, 0.1], inference_start_s=[0.05, 0.15],
        end_s=[0.09, 0.19],
    )  # fmt: skip
    phase.refresh_from_db()
    assert phase.state == "chosen"
    return Sweep.objects.get(pk=sweep.pk)


def test_the_tab_answers_how_much_the_clock_saves_in_preprocessing_and_overall(operator):
    sweep = chosen_phase()
    page = tab(operator, sweep)
    assert "1113.6 MHz" in page
    # Beyond idle: 4 W for 18.2 ms as found, 1 W for 35.9 ms at 1113.6 MHz: half of it is saved.
    assert "51&nbsp;%" in page
    assert re.search(r"<strong>.{0,40}>5(\.0)?&nbsp;%", page)  # 19 W for 20 W, the same stream
    assert "How is the latency limit spent?" in page and "queue" in page
    assert "may take" in page and "100" in page  # half of 200 ms


def test_the_tab_tells_how_far_it_is_and_asks_few_queries(operator, django_assert_max_num_queries):
    sweep = make_sweep()
    make_phase(sweep)
    search.advance(sweep.pk)
    assert "Still measuring" in tab(operator, sweep)
    page = operator.get(sweep.get_absolute_url()).content.decode()
    assert "First the CPU clock" in page
    under_way(sweep).cancel()
    done = chosen_phase()
    with django_assert_max_num_queries(14):
        tab(operator, done)
    with django_assert_max_num_queries(13):
        operator.get(done.get_absolute_url())
