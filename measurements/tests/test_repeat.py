"""Repeating a run, what is said of the two, and the manifest that makes it possible."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from measurements import recording, repeat, replay_tables
from measurements.board.hardware import replay
from measurements.board.hardware.replay import ReplayBoard
from measurements.board.trial import run_trial
from measurements.management.commands import repeat_run
from measurements.models import Network, RequestLog, Run
from measurements.roles import OPERATOR, VIEWER
from measurements.tests.rows import make_device, make_done_run, make_run, make_user

pytestmark = pytest.mark.django_db
NEEDED = (
    "board.name", "board.kind", "board.model", "board.provenance", "board.provenance_note",
    "board.rails", "board.sensor_lag_s", "board.software.sampler", "board.default",
    "board.software.replay table", "clocks.asked", "clocks.before", "clocks.held",
    "clocks.restored", "network.name", "network.sha256", "network.workload",
    "network.flops_per_item", "arrivals", "batch_size", "requests", "warm_up_s",
    "sample_interval_ms", "seed", "attempt", "run_id", "started_at", "definitions",
    "record_version", "record_sha256", "rests_on.latency", "rests_on.power",
)  # fmt: skip


@pytest.fixture
def dispatched(monkeypatch) -> list[int]:
    """Ids of the devices that were told to take their next run."""
    told: list[int] = []
    monkeypatch.setattr("measurements.tasks.dispatch.delay", told.append)
    return told


def measured(**fields: object) -> Run:
    """A done run on a replay board."""
    device = replay_tables.add_board("nano", replay.orin_nano())
    device.register(ReplayBoard("nano", replay.orin_nano()).describe())
    run = make_run(
        device=device,
        network=Network.objects.get(workload="vit"),
        requests_asked=300,
        gpu_max_hz=612_000_000,
        emc_hz=2_133_000_000,
        **fields,
    )
    return carried_out(run)


def carried_out(run: Run) -> Run:
    """What the board's worker does with a queued run; power has a little noise of its own."""
    board = ReplayBoard("nano", replay.orin_nano())
    run.claim()
    recording.store(
        run,
        run_trial(run.plan(), board, attempt=1, progress=lambda _: None, cancelled=lambda: False),
    )
    run.refresh_from_db()
    return run


def pair(*, energy_j: float = 0.4, half_width_j: float | None = 0.004) -> repeat.Comparison:
    first = make_done_run()
    again = make_done_run(
        device=first.device, network=first.network, repeat_of=first,
        busy_energy_j=energy_j, busy_half_width_j=half_width_j,
    )  # fmt: skip
    return repeat.compare(first, again)


def test_a_repeat_asks_for_the_same_plan(dispatched, django_capture_on_commit_callbacks):
    first = make_done_run(seed=7, emc_hz=665_600_000, warm_up_s=4.0, arrivals="poisson", rate_hz=5)
    with django_capture_on_commit_callbacks(execute=True):
        again = repeat.repeat(first)
    before, after = first.plan(), again.plan()
    assert after.run_id != before.run_id and again.repeat_of == first
    assert {f: getattr(before, f) for f in before.__struct_fields__ if f != "run_id"} == {
        f: getattr(after, f) for f in after.__struct_fields__ if f != "run_id"
    }
    assert dispatched == [first.device_id] and again.then == ""


def test_another_seed_is_another_draw():
    first = make_done_run(seed=7)
    assert repeat.repeat(first, new_seed=True).seed != 7


@pytest.mark.parametrize("state", [Run.State.QUEUED, Run.State.RUNNING])
def test_a_run_under_way_is_not_repeated(state):
    with pytest.raises(repeat.RepeatRefused, match="has not ended"):
        repeat.repeat(make_run(state=state))


def test_an_imported_log_is_not_repeated():
    log = Run.objects.create(origin=Run.Origin.IMPORTED_LOG, requests_asked=1)
    with pytest.raises(repeat.RepeatRefused, match="imported log"):
        repeat.repeat(log)


@pytest.mark.parametrize(
    ("energy_j", "is_noise"), [(0.4, True), (0.4056, True), (0.4058, False), (0.39, False)]
)
def test_a_difference_is_noise_within_both_intervals_in_quadrature(energy_j, is_noise):
    # Half-widths of 0.004 J each: 0.00566 J together.
    (busy,) = pair(energy_j=energy_j).differences
    assert busy.is_noise is is_noise
    assert busy.change.half_width == pytest.approx(0.0056569, rel=1e-4)


def test_the_difference_is_said_in_percent_and_in_words():
    comparison = pair(energy_j=0.44)
    assert comparison.differences[0].words == (
        "Busy energy per request: +10.00 % ± 1.41 %, which is more than noise."
    )
    assert "more than noise in Busy energy per request" in comparison.words
    assert pair(energy_j=0.402).words == "Repeated with the same seed: the difference is noise."


def test_without_an_interval_nothing_is_claimed():
    comparison = pair(half_width_j=None)
    assert comparison.differences[0].is_noise is None
    assert "cannot be compared" in comparison.words


def test_an_invalid_repeat_says_nothing_of_the_difference():
    first = make_done_run()
    again = make_done_run(
        device=first.device, network=first.network, repeat_of=first, state=Run.State.INVALID
    )
    assert "not valid" in repeat.compare(first, again).words


def test_latencies_are_compared_from_the_request_logs():
    first, again = (make_done_run() for _ in range(2))
    for run, ms in ((first, 10.0), (again, 12.0)):
        ends_s = [i + (ms + i % 7 / 10) / 1000 for i in range(200)]
        starts_s = [float(i) for i in range(200)]
        RequestLog.objects.create(
            run=run, arrival_s=starts_s, start_s=starts_s, inference_start_s=starts_s, end_s=ends_s
        )
    differences = {found.what: found for found in repeat.compare(first, again).differences}
    mean, p95 = differences["Mean latency"], differences["95th percentile of latency"]
    assert mean.change.value == pytest.approx(2.0) and mean.is_noise is False
    assert p95.first.value == pytest.approx(10.6) and p95.is_noise is False


def test_the_same_seed_on_a_replay_board_gives_exactly_the_same():
    first = measured()
    comparison = repeat.compare(first, carried_out(repeat.repeat(first)))
    assert all("exactly the same" in found.words for found in comparison.differences)
    assert comparison.changes == []


def test_another_seed_on_a_replay_board_is_told_by_its_manifest():
    first = measured()
    again = carried_out(repeat.repeat(first, new_seed=True))
    comparison = repeat.compare(first, again)
    assert comparison.changes == [f"seed: 0 → {again.seed}"]
    assert len(comparison.differences) == 3 and comparison.words.startswith("Repeated with another")


def test_two_manifests_are_told_apart_by_path():
    before = {"board": {"software": {"kernel": "5.10"}}, "attempt": 1, "seed": 1}
    after = {"board": {"software": {"kernel": "5.15"}}, "attempt": 2, "load": "x"}
    assert list(repeat.changes(before, after)) == [
        "board.software.kernel: 5.10 → 5.15", "load: nothing → x", "seed: 1 → nothing"
    ]  # fmt: skip


def test_a_manifest_holds_everything_that_a_repeat_needs(client: Client):
    run = measured()
    client.force_login(make_user(VIEWER))
    answer = client.get(reverse("run_manifest", args=[run.pk]))
    manifest = json.loads(answer.content)
    for path in NEEDED:
        part = manifest
        for key in path.split("."):
            assert key in part, path
            part = part[key]
    assert manifest["network"]["workload"] == "vit" and manifest["board"]["rails"][0]["step_w"]
    assert f"run-{run.pk}.json" in answer["Content-Disposition"]


def test_an_operator_repeats_from_the_run_page_and_the_repeat_shows_the_comparison(
    client: Client, dispatched
):
    first = measured()
    client.force_login(make_user(OPERATOR))
    assert "Repeat and compare" in client.get(first.get_absolute_url()).text
    answer = client.post(reverse("run_repeat", args=[first.pk]))
    again = Run.objects.get(repeat_of=first)
    assert answer.url == again.get_absolute_url()
    carried_out(again)
    page = client.get(again.get_absolute_url()).text
    assert "Against the run that it repeats" in page and "the difference is noise" in page
    assert again.get_absolute_url() in client.get(first.get_absolute_url()).text


def test_a_viewer_repeats_nothing(client: Client):
    run = make_done_run()
    client.force_login(make_user(VIEWER))
    assert client.post(reverse("run_repeat", args=[run.pk])).status_code == 403
    assert "Repeat and compare" not in client.get(run.get_absolute_url()).text


def test_a_refused_repeat_is_said_on_the_run_page(client: Client):
    run = make_run()
    client.force_login(make_user(OPERATOR))
    page = client.post(reverse("run_repeat", args=[run.pk]), follow=True).text
    assert "has not ended" in page and Run.objects.count() == 1


def test_the_command_waits_and_tells_the_comparison_as_json(monkeypatch, capsys):
    first = measured()

    def board_works(_: float) -> None:
        carried_out(Run.objects.get(repeat_of=first))

    monkeypatch.setattr(repeat_run.time, "sleep", board_works)
    call_command("repeat_run", str(first.pk), "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["first"] == str(first.pk) and told["state"] == "done"
    assert {found["what"] for found in told["differences"]} == {
        "Busy energy per request", "Mean latency", "95th percentile of latency"
    }  # fmt: skip


def test_the_command_gives_up_waiting_and_says_how_to_compare_later():
    first = make_done_run(device=make_device(online=False))
    with pytest.raises(CommandError, match=f"repeat_run {first.pk} --against"):
        call_command("repeat_run", str(first.pk), "--timeout", "0")
    assert Run.objects.get(repeat_of=first).state == Run.State.QUEUED


def test_the_command_compares_two_runs_without_measuring(capsys):
    first, again = make_done_run(), make_done_run(busy_energy_j=0.5)
    call_command("repeat_run", str(first.pk), "--against", str(again.pk))
    assert "+25.00 %" in capsys.readouterr().out and Run.objects.count() == 2


@pytest.mark.parametrize("run_id", ["00000000-0000-4000-8000-000000000000"])
def test_the_command_says_that_there_is_no_such_run(run_id):
    with pytest.raises(CommandError, match="there is no run"):
        call_command("repeat_run", run_id)
