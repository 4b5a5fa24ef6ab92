"""Adding replay boards: from the page, from the command line, and what refuses them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from measurements import recording, replay_tables
from measurements.board.hardware import replay
from measurements.board.hardware.replay import DATA, ReplayBoard, decoded
from measurements.board.hardware.replay.rows import MOST_BYTES
from measurements.board.trial import run_trial
from measurements.models import Device, Network, PowerSample, ReplayTable, Run
from measurements.roles import ADMIN, OPERATOR
from measurements.tests.rows import make_device, make_network, make_user
from measurements.tests.test_replay import RUNS, TWO, power_csv

pytestmark = pytest.mark.django_db
LATENCY, POWER = DATA / "orin_nano_latency.csv", DATA / "orin_nano_power_runs.csv"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(ADMIN))
    return client


def send(client: Client, **fields: object):
    values = {"name": "nano"} | fields
    files = {
        key: SimpleUploadedFile(f"{key} of mine.csv", value)
        for key, value in values.items()
        if isinstance(value, bytes)
    }
    return client.post(reverse("replay_board_new"), values | files)


def measure(device: Device, table: replay.ReplayTable, workload: str = "vit") -> Run:
    """A run on the replay board of `device`, as its worker does it."""
    board = ReplayBoard(device.name, table)
    device.register(board.describe())
    network = Network.objects.get(replay_table=device.replay_table, workload=workload)
    run = Run.objects.create(device=device, network=network, batch_size=1, requests_asked=300)
    run.claim()
    record = run_trial(
        run.plan(), board, attempt=1, progress=lambda _: None, cancelled=lambda: False
    )
    recording.store(run, record)
    return run


def test_a_board_without_files_replays_the_table_that_comes_with_polyweb(admin):
    answer = send(admin)
    device = Device.objects.get()
    assert answer.url == reverse("device", args=["nano"])
    assert device.provenance == "replay" and "dankang21" in device.provenance_note
    names = sorted(device.replay_table.workloads.values_list("workload", flat=True))
    assert names == ["cproxyv2", "mobilenet", "proxy", "vit"]
    assert device.replay_table.spec == "replay:orin-nano"


def test_an_uploaded_table_with_power_becomes_a_board_whose_file_its_worker_reads(admin):
    assert send(admin, table=TWO.encode(), power=power_csv(RUNS)).status_code == 302
    row = ReplayTable.objects.get()
    assert (row.name, row.spec) == ("table-of-mine", "replay:table-of-mine.json")
    told = admin.get(reverse("replay_table", args=["nano"]))
    assert decoded(told.content).power.runs == len(RUNS)
    assert "replay:table-of-mine.json" in admin.get(reverse("device", args=["nano"])).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"table": TWO.encode() + b"vit,510,665,nan,2\n"}, "line 4: compute_p50_ms is"),
        ({"table": TWO.encode() + b"vit,306,665,1,2\n"}, "stands in line 2 already"),
        ({"table": b"x" * (MOST_BYTES + 1)}, "at most 2 MiB"),
        ({"table": TWO.encode(), "power": b"file\nx\n"}, "power runs: line 1: the header lacks"),
        ({"power": power_csv(RUNS)}, "need the latency table"),
        ({"name": "new"}, "choose another"),
        ({"name": "no name"}, "slug"),
    ],
)
def test_a_refused_table_leaves_nothing_behind(admin, fields, said):
    answer = send(admin, **fields)
    assert answer.status_code == 422 and said in answer.text
    assert not (Device.objects.exists() or ReplayTable.objects.exists() or Network.objects.exists())


def test_two_boards_share_one_table_and_its_workloads():
    one, two = (replay_tables.add_board(name, replay.orin_nano()) for name in ("a", "b"))
    assert one.replay_table == two.replay_table and Network.objects.count() == 4


def test_another_table_of_the_same_name_is_refused():
    replay_tables.add_board("a", replay.import_table(TWO.encode(), None, name="t"))
    other = replay.import_table(TWO.replace("vit", "bert").encode(), None, name="t")
    with pytest.raises(replay.TableRefused, match="another table called t"):
        replay_tables.add_board("b", other)
    assert Device.objects.count() == 1 and Network.objects.count() == 1


def test_a_network_of_a_workloads_name_refuses_the_table():
    make_network(name="vit (t)")
    with pytest.raises(replay.TableRefused, match="there is a network called"):
        replay_tables.add_board("b", replay.import_table(TWO.encode(), None, name="t"))
    assert not ReplayTable.objects.exists() and not Device.objects.exists()


def test_only_admins_add_replay_boards(client):
    client.force_login(make_user(OPERATOR))
    assert client.get(reverse("replay_board_new")).status_code == 403
    assert send(client).status_code == 403 and not Device.objects.exists()


def test_the_command_adds_the_shared_files_as_they_are(tmp_path: Path):
    out = StringIO()
    call_command(
        "add_replay_board", "nano-2", "--table", str(LATENCY), "--power", str(POWER),
        "--leave-out", *replay.OTHER_LOADS, "--out", str(tmp_path / "t.json"), stdout=out,
    )  # fmt: skip
    assert "96 cells, power fitted to 47 runs" in out.getvalue()
    assert f"--board replay:{tmp_path / 't.json'}" in out.getvalue()
    assert decoded((tmp_path / "t.json").read_bytes()).source.startswith("github dankang21")


def test_the_command_without_a_table_names_the_built_in_one(capsys):
    call_command("add_replay_board", "nano-1")
    assert "--name nano-1" in (said := capsys.readouterr().out)
    assert "--board replay:orin-nano" in said


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("n", "nothing", "line 1: the header lacks workload"),
        ("no name", TWO, "as a device's name"),
    ],
)
def test_the_command_says_what_is_wrong_and_stores_nothing(tmp_path, name, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CommandError, match=said):
        call_command("add_replay_board", name, "--table", str(tmp_path / "t.csv"))
    assert not Device.objects.exists() and not ReplayTable.objects.exists()


def test_a_replayed_run_is_stored_with_what_it_rests_on_and_its_page_says_so(admin):
    device = replay_tables.add_board("nano", replay.orin_nano())
    run = measure(device, replay.orin_nano())
    assert run.state == Run.State.DONE and run.busy_energy_j > 0
    assert run.manifest["rests_on"]["power"].startswith("fitted")
    page = admin.get(run.get_absolute_url()).text
    assert "no power run" not in page and "fitted: power was measured at GPU 1020" in page
    assert "dankang21/jetson-latency-lab" in page


def test_a_table_without_power_gives_done_runs_whose_energy_is_null_with_the_reason(admin):
    table = replay.import_table(LATENCY.read_bytes(), None, name="t")
    run = measure(replay_tables.add_board("nano", table), table)
    assert run.state == Run.State.DONE and run.busy_energy_j is None and run.latency_p95_ms > 0
    assert "no power runs" in run.verdicts.get(code="latency-only").text
    assert PowerSample.objects.filter(run=run, total_w=None).exists()
    assert "no power runs" in admin.get(run.get_absolute_url()).text


def test_a_replay_board_offers_its_own_workloads_and_no_other_board_does():
    device, network = replay_tables.add_board("nano", replay.orin_nano()), make_network()
    workloads = Network.objects.for_device(device)
    assert {found.replay_table for found in workloads} == {device.replay_table}
    assert list(Network.objects.for_device(make_device())) == [network]


def test_pages_write_out_that_a_workloads_features_are_unknown(admin):
    device = replay_tables.add_board("nano", replay.orin_nano())
    vit = Network.objects.get(workload="vit")
    page = admin.get(vit.get_absolute_url()).text
    assert "unknown" in page and "11.425" in page and device.name in page
    listed = admin.get(reverse("networks")).text
    assert "vit (orin-nano)" in listed and "replay table" in listed and "unknown" in listed


def test_the_database_refuses_a_network_with_neither_graph_nor_table():
    with pytest.raises(IntegrityError), transaction.atomic():
        Network.objects.create(name="x", builtin="y", batch_is_dynamic=True)
