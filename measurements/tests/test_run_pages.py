from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from measurements import traces
from measurements.models import PowerSample, RequestLog, Run
from measurements.roles import OPERATOR, VIEWER
from measurements.tests.rows import make_device, make_done_run, make_network, make_run, make_user

pytestmark = pytest.mark.django_db
RAILS = ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"]
PARTS = dict(zip(RAILS, ["gpu", "cpu", "other", "memory"], strict=True))
LINE = (
    "RAM 707/7854MB (lfb 1x4MB) CPU [3%@345,off] EMC_FREQ 1%@665 GR3D_FREQ 0%@140 GPU@28.5C "
    "VDD_IN 5000/5000 VDD_CPU 153/153\n"
)


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user(VIEWER))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def page_of(client: Client, run: Run) -> str:
    return client.get(run.get_absolute_url()).content.decode()


def add_samples(run: Run, powers_w: list[float]) -> None:
    PowerSample.objects.bulk_create(
        PowerSample(run=run, t_us=50_000 * n, rails_w=[w, 1.0, 1.0, 0.5], total_w=w + 2)
        for n, w in enumerate(powers_w)
    )


def test_the_list_asks_the_same_few_queries_for_many_runs(viewer, django_assert_max_num_queries):
    device, network = make_device(), make_network()
    for _ in range(60):
        make_done_run(device=device, network=network)
    with django_assert_max_num_queries(9):
        page = viewer.get(reverse("runs"), {"page": "2"})
    assert page.content.decode().count("<tr data-href") == 10


def test_filters_stand_in_the_url(viewer):
    make_done_run(network=make_network(name="ended"))
    make_run(network=make_network(name="waits"))
    rows = viewer.get(reverse("runs"), {"state": "done"}).content.decode().split("<tbody>")[1]
    assert "ended" in rows
    assert "waits" not in rows


def test_sorting_puts_unknown_energies_last(viewer):
    make_run(network=make_network(name="unknown-one"))
    for name, energy_j in (("middle", 0.4), ("least", 0.2)):
        make_done_run(network=make_network(name=name), busy_energy_j=energy_j)
    rows = viewer.get(reverse("runs"), {"sort": "busy"}).content.decode().split("<tbody>")[1]
    assert rows.index("least") < rows.index("middle") < rows.index("unknown-one")


@pytest.mark.parametrize("query", [{"page": "x"}, {"page": "99"}, {"sort": "password"}])
def test_nonsense_in_the_url_is_no_error(viewer, query):
    make_done_run()
    assert viewer.get(reverse("runs"), query).status_code == 200


def test_an_empty_list_says_what_a_run_is(viewer):
    assert "No run yet" in viewer.get(reverse("runs")).content.decode()


def test_a_done_run_answers_with_its_energy_and_interval(viewer):
    page = page_of(viewer, make_done_run())
    assert "of busy energy per request" in page
    assert "± 0.004" in page
    assert "emulated" in page


def test_an_invalid_run_says_why_before_anything_else(viewer):
    run = make_done_run(state=Run.State.INVALID)
    run.verdicts.create(code="gap", text="No sample for 3 s.")
    page = page_of(viewer, run)
    assert page.index("This run is invalid") < page.index("for reading only")
    assert "No sample for 3 s." in page


def test_a_cancelled_run_has_no_numbers(viewer):
    page = page_of(viewer, make_run(state=Run.State.CANCELLED))
    assert "nothing of this run was kept" in page
    assert "figure-value" not in page


def test_a_running_run_asks_again_and_reloads_when_it_has_ended(viewer):
    run = make_run(state=Run.State.RUNNING, attempt=1)
    assert "hx-trigger" in page_of(viewer, run)
    asked = {"HTTP_HX_REQUEST": "true"}
    assert "HX-Refresh" not in viewer.get(run.get_absolute_url(), **asked)
    run.cancel()
    assert viewer.get(run.get_absolute_url(), **asked)["HX-Refresh"] == "true"


def test_a_run_draws_its_trace_rails_and_latencies(viewer):
    run = make_done_run()
    add_samples(run, [5.0] * 40)
    RequestLog.objects.create(
        run=run, arrival_s=[0.0, 1.0], start_s=[0.0, 1.0], inference_start_s=[0.1, 1.1],
        end_s=[0.5, 1.4],
    )  # fmt: skip
    shown = viewer.get(run.get_absolute_url()).context["drawn"]
    assert [name for name, _ in shown] == ["rails", "latency"]
    assert 'data-run-trace="' in page_of(viewer, run)


def test_what_no_rail_accounts_for_is_shown(viewer):
    rails = [
        {"name": "VDD_IN", "part": "input", "in_total": True},
        {"name": "VDD_GPU", "part": "gpu", "in_total": False},
    ]
    run = make_done_run(
        rails=["VDD_IN", "VDD_GPU"],
        total_of=["VDD_IN"],
        rail_busy_energy_j=[0.4, 0.3],
        manifest={"board": {"rails": rails}},
    )
    context = viewer.get(run.get_absolute_url()).context
    assert context["not_attributed"]["busy_j"] == pytest.approx(0.1)
    assert context["not_attributed"]["at_rate_j"] is None


def test_a_long_trace_is_drawn_by_its_extremes():
    run = make_done_run()
    powers = [5.0] * 1000
    powers[500], powers[501] = 50.0, 0.1
    add_samples(run, powers)
    trace = traces.power_trace(run, parts=PARTS, most=100)
    assert len(trace.t_s) <= 100
    assert {52.0, 2.1} <= set(trace.total_w)
    assert list(trace.t_s) == sorted(trace.t_s)
    spike = trace.total_w.index(52.0)
    assert trace.rails[0].power_w[spike] == 50.0


def test_a_short_trace_is_drawn_whole():
    run = make_done_run()
    add_samples(run, [1.0, 2.0, 3.0])
    trace = traces.power_trace(run, parts=PARTS)
    assert trace.total_w == (3.0, 4.0, 5.0)
    assert trace.rails[3].part == "memory"


def test_a_run_without_samples_has_no_trace():
    assert traces.power_trace(make_run(), parts={}) is None


def test_a_log_becomes_a_run_of_no_device(operator):
    start = dt.datetime(2026, 11, 2, 12, 0, 0)  # noqa: DTZ001 tegrastats prints no zone
    lines = [f"{start + dt.timedelta(seconds=n):%m-%d-%Y %H:%M:%S} {LINE}" for n in range(30)]
    file = SimpleUploadedFile("run.log", "".join(lines).encode(), content_type="text/plain")
    answer = operator.post(
        reverse("import_log"),
        {"file": file, "interval_ms": 1000, "requests": 10, "start_s": "5", "end_s": "15"},
    )
    run = Run.objects.get()
    assert answer.url == run.get_absolute_url()
    # 5 W over 10 s for 10 requests: 5 J each.
    assert run.at_rate_energy_j == pytest.approx(5.0)
    page = page_of(operator, run)
    assert "tells neither the device nor the clocks" in page
    assert "imported log" in page


def test_a_file_that_is_no_log_is_refused_at_its_field_and_the_rest_is_kept(operator):
    file = SimpleUploadedFile("cat.txt", b"not a log\n" * 9, content_type="text/plain")
    page = operator.post(
        reverse("import_log"), {"file": file, "interval_ms": 250, "requests": 77, "title": "mine"}
    )
    assert page.status_code == 422
    assert page.context["form"].errors["file"]
    assert 'value="77"' in page.content.decode()
    assert 'value="mine"' in page.content.decode()
    assert not Run.objects.exists()


def test_a_window_that_ends_before_it_starts_is_explained(operator):
    file = SimpleUploadedFile("a.log", LINE.encode())
    page = operator.post(
        reverse("import_log"),
        {"file": file, "interval_ms": 1000, "requests": 1, "start_s": "9", "end_s": "3"},
    )
    assert "must end after it starts" in page.context["form"].errors["end_s"][0]


def test_a_viewer_may_not_import(viewer):
    assert viewer.get(reverse("import_log")).status_code == 403
