"""Plans for boards that run the graph itself: the file is there before the plan is sent."""

import pytest

from measurements import tasks
from measurements.models import ArrivalTrace, Run

from .rows import make_device, make_network, make_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list]]:
    messages: list[tuple[str, list]] = []
    monkeypatch.setattr(
        tasks.current_app, "send_task", lambda name, args, **_: messages.append((name, args))
    )
    monkeypatch.setattr(tasks.dispatch, "delay", tasks.dispatch)
    return messages


def test_a_board_that_runs_the_graph_gets_its_files_hash(sent, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    device = make_device(needs_network_file=True)
    network = make_network(builtin="efficientnet-b0")
    make_run(device=device, network=network)
    tasks.dispatch(device.pk)
    network.refresh_from_db()
    (_, (plan,)) = sent[0]
    assert network.sha256 and plan["network"]["sha256"] == network.sha256


def test_another_board_gets_its_plan_without_a_file_being_built(sent):
    device = make_device()
    make_run(device=device, network=make_network(builtin="efficientnet-b0"))
    tasks.dispatch(device.pk)
    (_, (plan,)) = sent[0]
    assert plan["network"]["sha256"] is None


def test_a_network_without_a_file_ends_its_run_with_the_reason(sent):
    device = make_device(needs_network_file=True)
    run = make_run(device=device, network=make_network(builtin="gone"), then="told")
    tasks.dispatch(device.pk)
    run.refresh_from_db()
    assert run.state == Run.State.INVALID
    assert run.verdicts.get().code == "no-network-file"
    assert sent == [("told", [str(run.pk)])]


def test_a_plan_carries_the_whole_trace():
    trace = ArrivalTrace.objects.create(name="three", times_s=[0.0, 0.5, 2.0])
    run = make_run(arrivals=Run.ArrivalsKind.TRACE, rate_hz=trace.rate_hz, trace=trace)
    arrivals = run.plan().arrivals
    assert (arrivals.kind, arrivals.trace, arrivals.times_s) == ("trace", "three", trace.times_s)
