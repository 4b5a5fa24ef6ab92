import io
import re
import zipfile
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import models
from django.urls import reverse

from measurements import recording
from measurements.models import Device, Network, Pack, PowerSample, RequestLog, Run
from measurements.roles import ADMIN, OPERATOR, REVIEWER
from measurements.tests.records import make_record
from measurements.tests.rows import make_device, make_run, make_user
from tuning.evidence import export, importing, pages, tables
from tuning.evidence.seal import PackRefused
from tuning.models import Review, Sweep, Trial
from tuning.tests.rows import make_sweep

pytestmark = pytest.mark.django_db
ASSETS = pages.ASSETS


@pytest.fixture(autouse=True)
def _light_packs(monkeypatch):
    """Packing Plotly's 5 MB anew would take most of these tests' time; one does it."""
    monkeypatch.setattr(pages, "ASSETS", ())


def measured_sweep(*, trials: int = 2) -> Sweep:
    """A finished sweep whose runs have samples, requests and manifests."""
    sweep = make_sweep(state=Sweep.State.FINISHED, name="Orin, <b>B4</b>", created_by=make_user())
    for number in range(1, trials + 1):
        point = sweep.space().points[number - 1]
        named = sweep.space().named(point)
        run = make_run(device=sweep.device, network=sweep.network, then="tuning.tasks.x", **named)
        run.claim()
        assert recording.store(run, make_record(run))
        trial = sweep.trials.create(number=number, values=list(point), state=Trial.State.OBSERVED)
        trial.trial_runs.create(run=run)
    return sweep


def packed(sweep: Sweep, tmp_path: Path, name: str = "pack.zip") -> Path:
    path = tmp_path / name
    with path.open("wb") as file:
        export.export(sweep, file, by=None)
    return path


def forget(sweep: Sweep) -> None:
    """As if another PolyWeb had measured it."""
    runs = list(Run.objects.filter(trial_run__trial__sweep=sweep).values_list("pk", flat=True))
    sweep.delete()
    Run.objects.filter(pk__in=runs).delete()
    Device.objects.all().delete()
    Network.objects.all().delete()
    User.objects.all().delete()


def plain(sweep: Sweep) -> dict[str, list[dict]]:
    """Every row of the sweep without the numbers that a database gives."""
    ids = {"id", "sweep_id", "trial_id", "run_id", "device_id", "network_id", "created_by", "name"}
    found = {}
    for queries in tables.of_sweep(sweep).values():
        for table, query in queries.items():
            rows = [tables.row_of(one) for one in query]
            found[table] = [{k: v for k, v in row.items() if k not in ids} for row in rows]
    for device in found["devices"]:
        device.pop("registered_at")
    return found


def changed(path: Path, tmp_path: Path, name: str, change) -> Path:
    """A copy of the pack whose file `name` was changed and sealed anew, as a forger would."""
    copy = tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        seal = msgspec.json.decode(old.read("pack.json"))
        writer = export.Writer(new)
        for one in old.namelist():
            if one != "pack.json":
                writer.add(one, change(old.read(one)) if one == name else old.read(one))
        writer.seal(**{k: v for k, v in seal.items() if k not in ("files", "format")})
    return copy


def edited(path: Path, tmp_path: Path, name: str, table: str, **columns: object) -> Path:
    def change(content: bytes) -> bytes:
        rows = msgspec.json.decode(content)
        rows[table][0].update(columns)
        return msgspec.json.encode(rows)

    return changed(path, tmp_path, name, change)


def test_a_pack_comes_back_whole_where_nothing_of_it_was_known(tmp_path):
    sweep = measured_sweep()
    before, path = plain(sweep), packed(sweep, tmp_path)
    samples = list(PowerSample.objects.order_by("run_id", "t_us").values())
    logs = list(RequestLog.objects.order_by("run_id").values())
    manifests = list(Run.objects.order_by("pk").values_list("pk", "manifest"))
    forget(sweep)
    again = importing.load(path, by=None)
    assert plain(again) == before
    assert list(PowerSample.objects.order_by("run_id", "t_us").values()) == samples
    assert list(RequestLog.objects.order_by("run_id").values()) == logs
    assert list(Run.objects.order_by("pk").values_list("pk", "manifest")) == manifests


def test_the_same_rows_make_the_same_rows_again(tmp_path):
    sweep = measured_sweep()
    first = packed(sweep, tmp_path)
    forget(sweep)
    second = packed(importing.load(first, by=None), tmp_path, "second.zip")
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as two:
        for name in ("samples.parquet", "requests.parquet"):
            assert one.read(name) == two.read(name)


def test_what_was_imported_is_marked_and_cannot_be_measured_further(tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    forget(sweep)
    again = importing.load(path, by=None)
    assert again.pack.sha256 == again.device.pack.sha256
    assert set(Run.objects.values_list("pack", flat=True)) == {again.pack_id}
    assert set(Run.objects.values_list("then", flat=True)) == {""}  # no task name from a stranger
    assert again.device.registered_at is None  # no form offers it
    assert not again.extend(trials=5)


def test_a_board_of_the_same_name_elsewhere_is_another_board(tmp_path):
    sweep = measured_sweep()
    name, path = sweep.device.name, packed(sweep, tmp_path)
    forget(sweep)
    mine = make_device(name=name)
    assert importing.load(path, by=None).device != mine
    assert mine.runs.count() == 0


def test_a_built_in_network_is_found_again(tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    network = Network.objects.get(pk=sweep.network_id)
    forget(sweep)
    network.pk = None
    network.save()
    assert importing.load(path, by=None).network == network


def test_a_pack_is_imported_once(tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    with pytest.raises(importing.AlreadyHere) as own:
        importing.load(path, by=None)
    assert own.value.sweep == sweep  # it was measured here
    forget(sweep)
    again = importing.load(path, by=None)
    with pytest.raises(importing.AlreadyHere) as twice:
        importing.load(path, by=None)
    assert twice.value.sweep == again


def test_a_changed_byte_is_found(tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    forget(sweep)
    copy = tmp_path / "forged.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"0.8", b"0.7") if name == "runs.json" else content)
    with pytest.raises(PackRefused, match=r"runs\.json was changed"):
        importing.load(copy, by=None)
    assert not Pack.objects.exists() and not Run.objects.exists()


@pytest.mark.parametrize(
    ("name", "table", "columns", "why"),
    [
        ("runs.json", "runs", {"state": "queued"}, "has not ended"),
        ("runs.json", "runs", {"state": "splendid"}, "has not ended"),
        ("runs.json", "runs", {"batch_size": "many"}, "batch_size"),
        ("runs.json", "runs", {"then": "tuning.tasks.advance"}, "does not know"),
        ("runs.json", "runs", {"busy_energy_mj": 1}, "does not know"),
        ("runs.json", "runs", {"device_id": 999_999}, "fit together"),
        ("sweep.json", "sweeps", {"state": "running"}, "has not ended"),
        ("sweep.json", "sweeps", {"strategy": "guess"}, "strategy"),
        ("sweep.json", "sweeps", {"budget_trials": 0}, "fit together"),
        ("sweep.json", "trials", {"sweep_id": 12345}, "does not hold"),
        ("board.json", "devices", {"provenance": "genuine"}, "provenance"),
    ],
)
def test_rows_that_may_not_be_are_refused_whole(tmp_path, name, table, columns, why):
    sweep = measured_sweep()
    path = edited(packed(sweep, tmp_path), tmp_path, name, table, **columns)
    forget(sweep)
    with pytest.raises(PackRefused, match=why):
        importing.load(path, by=None)
    assert not Pack.objects.exists() and not Run.objects.exists() and not Device.objects.exists()


def test_samples_for_a_run_that_is_not_in_the_pack_are_refused(tmp_path):
    """A pack must not write into the runs that were measured here."""
    mine, sweep = make_run(), measured_sweep()

    def change(content: bytes) -> bytes:
        table = pq.read_table(io.BytesIO(content))
        column = [str(mine.pk)] * table.num_rows
        written = io.BytesIO()
        pq.write_table(table.set_column(0, table.schema.field(0), [column]), written)
        return written.getvalue()

    path = changed(packed(sweep, tmp_path), tmp_path, "samples.parquet", change)
    device = mine.device
    runs = list(Run.objects.exclude(pk=mine.pk).values_list("pk", flat=True))
    sweep.delete()
    Run.objects.filter(pk__in=runs).delete()
    with pytest.raises(PackRefused, match="not in the pack"):
        importing.load(path, by=None)
    assert device.runs.count() == 1 and not PowerSample.objects.filter(run=mine).exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"x" * 1000])
def test_what_is_no_pack_is_refused_with_a_reason(tmp_path, content):
    path = tmp_path / "odd.zip"
    path.write_bytes(content)
    with pytest.raises(PackRefused):
        importing.load(path, by=None)


def test_a_path_out_of_the_pack_goes_nowhere(tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../etc/passwd", "root")
    with pytest.raises(PackRefused, match="not those"):
        importing.load(path, by=None)


def test_a_pack_is_removed_with_all_that_came_with_it(tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    forget(sweep)
    pack = importing.load(path, by=None).pack
    importing.remove(pack, by=None)
    assert not Sweep.objects.exists() and not Run.objects.exists() and not Device.objects.exists()
    assert importing.load(path, by=None).trials.count() == 2  # and may come back


def test_an_open_sweep_is_not_packed(client):
    sweep = make_sweep()
    client.force_login(make_user())
    response = client.get(reverse("sweep_evidence", args=[sweep.pk]), follow=True)
    assert "once it has ended" in response.content.decode()


def test_a_viewer_takes_a_pack_away_and_an_operator_brings_it_in(client, tmp_path):
    sweep = measured_sweep()
    client.force_login(make_user())
    response = client.get(reverse("sweep_evidence", args=[sweep.pk]))
    content = b"".join(response.streaming_content)
    assert client.get(reverse("evidence_import")).status_code == 403
    forget(sweep)
    client.force_login(make_user(OPERATOR))
    file = io.BytesIO(content)
    file.name = "pack.zip"
    page = client.post(reverse("evidence_import"), {"file": file}, follow=True)
    assert page.status_code == 200 and "imported" in page.content.decode()
    assert client.get(Pack.objects.get().get_absolute_url()).status_code == 200


def test_the_form_says_where_a_known_pack_is(client, tmp_path):
    sweep = measured_sweep()
    client.force_login(make_user(OPERATOR))
    with packed(sweep, tmp_path).open("rb") as file:
        page = client.post(reverse("evidence_import"), {"file": file})
    assert page.status_code == 422
    assert f'href="{sweep.get_absolute_url()}"' in page.content.decode()


def test_only_an_admin_removes_a_pack(client, tmp_path):
    sweep = measured_sweep()
    path = packed(sweep, tmp_path)
    forget(sweep)
    pack = importing.load(path, by=None).pack
    client.force_login(make_user(OPERATOR))
    assert client.post(reverse("pack_remove", args=[pack.pk])).status_code == 403
    client.force_login(make_user(ADMIN))
    client.post(reverse("pack_remove", args=[pack.pk]))
    assert not Pack.objects.exists()


def test_the_report_is_whole_and_shows_names_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ASSETS", ASSETS)
    with zipfile.ZipFile(packed(measured_sweep(), tmp_path)) as archive:
        report = archive.read("report.html").decode()
        needed = set(re.findall(r'"(assets/[^"]+)"', report))
        assert {"assets/plotly.min.js", "assets/chart.js"} <= needed <= set(archive.namelist())
    assert "<b>B4</b>" not in report and "&lt;b&gt;B4" in report
    assert 'href="/' not in report  # nothing that only PolyWeb's own server could answer


def test_every_column_that_must_point_somewhere_points_into_the_pack():
    """A new model or column with a key that a pack does not hold would break every import."""
    held = {query.model for queries in tables.of_sweep(make_sweep()).values()
            for query in queries.values()}  # fmt: skip
    for model in held:
        for column in model._meta.concrete_fields:
            if column.is_relation and not column.null:
                assert column.related_model in held, column


def test_the_command_line_checks_exports_and_imports(tmp_path, capsys):
    sweep, path = measured_sweep(), tmp_path / "cli.zip"
    call_command("evidence", "export", str(sweep.pk), str(path))
    with pytest.raises(CommandError, match="exists"):
        call_command("evidence", "export", str(sweep.pk), str(path))  # overwrites nothing
    call_command("evidence", "check", str(path))
    assert "files are as sealed" in capsys.readouterr().out
    forget(sweep)
    call_command("evidence", "import", str(path))
    assert Sweep.objects.get().pack is not None
    with pytest.raises(CommandError, match="imported before"):
        call_command("evidence", "import", str(path))


def test_a_pack_holds_every_row_that_belongs_to_a_sweep():
    """A new table that would be deleted with its sweep, trial or run is packed, or named here."""
    elsewhere = {"PowerSample", "RequestLog"}  # as Parquet
    elsewhere |= {"Sweep_earlier"}  # other sweeps, which are not of this pack
    elsewhere |= {"Review", "Comment"}  # as told in review.json
    elsewhere |= {"StoredForecast"}  # made anew from the observations
    held = {query.model for queries in tables.of_sweep(make_sweep()).values()
            for query in queries.values()}  # fmt: skip
    for model in held - {Device, Network}:
        for relation in model._meta.related_objects:
            if relation.on_delete is models.CASCADE and relation.related_model not in held:
                assert relation.related_model.__name__ in elsewhere, relation


def test_the_review_travels_as_what_was_said_there(tmp_path, client):
    sweep, reviewer = measured_sweep(), make_user(REVIEWER, username="rita")
    sweep.comments.create(author=reviewer, body="Is **trial 2** warm? <script>alert(1)</script>")
    review = Review.locked(sweep)
    review.request(by=sweep.created_by, reviewers=[])
    review.request_changes(by=reviewer)
    path = packed(sweep, tmp_path)
    sweep.comments.all().delete()
    Review.objects.all().delete()
    forget(sweep)
    again = importing.load(path, by=None)
    assert Review.of(again).state == Review.State.DRAFT  # nobody here has reviewed it
    client.force_login(make_user())
    page = client.get(again.pack.get_absolute_url()).content.decode()
    assert "changes requested" in page and "rita" in page and "<strong>trial 2</strong>" in page
    assert "<script>alert" not in page
