from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client

from measurements import tasks as measurement_tasks
from measurements.board.hardware import emulator
from measurements.messages import Applied, OperatingPoint, encode
from measurements.models import Application
from measurements.roles import OPERATOR, REVIEWER
from measurements.tests.rows import EMC_HZ, GPU_HZ, make_run, make_user, token_of
from tuning import applying, bundle
from tuning.models import Sweep, Verification
from tuning.tests.rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """The orders that would go to boards."""
    orders: list[dict] = []
    monkeypatch.setattr(
        measurement_tasks.current_app, "send_task", lambda name, args, **_: orders.append(args[0])
    )
    return orders


@pytest.fixture
def sweep() -> Sweep:
    """A finished sweep whose best point is verified."""
    sweep = make_sweep(state=Sweep.State.FINISHED)
    trial = make_trial(sweep)
    Verification.objects.create(
        sweep=sweep, trial=trial, device=sweep.device, blocks=2, seed=1,
        state="done", verdict="verified", words="saves 25 % (24 to 26 %)",
    )  # fmt: skip
    return standing(sweep)


def standing(sweep: Sweep) -> Sweep:
    return Sweep.objects.with_standing().get(pk=sweep.pk)


def answer(application: Application, *, is_ok: bool = True, **fields) -> bool:
    values = {
        "application": application.pk,
        "is_back": application.state == Application.State.ROLLING_BACK,
        "is_ok": is_ok,
        "reason": "" if is_ok else "emc reads 1",
        "read_back": application.point,
    }
    return application.answered(Applied(**{**values, **fields}))


def test_a_verified_winner_is_ordered_applied_and_rolled_back(
    sweep, sent, django_capture_on_commit_callbacks
):
    by = make_user(OPERATOR, username="olga")
    with django_capture_on_commit_callbacks(execute=True):
        application = applying.apply(sweep, by=by)
    assert sent[-1]["point"]["gpu_max_hz"] == GPU_HZ[0]
    assert answer(application)
    assert (application.state, application.read_back.emc_hz) == ("applied", EMC_HZ[0])
    with django_capture_on_commit_callbacks(execute=True):
        back = applying.roll_back(sweep, by=by)
    assert sent[-1]["point"] is None
    assert answer(back, read_back=OperatingPoint())
    assert back.state == "rolled_back"
    assert [line.split(" ", 2)[2] for line in back.log] == [
        "Asked by olga.",
        "Applied and read back.",
        "Roll-back asked by olga.",
        "Rolled back and read back.",
    ]


def test_only_what_is_verified_can_be_applied_or_bundled():
    sweep = make_sweep(state=Sweep.State.FINISHED)
    make_trial(sweep)
    with pytest.raises(applying.CannotApply, match="not yet verified"):
        applying.apply(standing(sweep), by=make_user(OPERATOR))
    with pytest.raises(applying.CannotApply, match="not yet verified"):
        applying.bundle_of(standing(sweep))


def test_a_board_with_runs_or_away_is_not_ordered_about(sweep):
    run = make_run(device=sweep.device)
    with pytest.raises(applying.CannotApply, match="has runs"):
        applying.apply(sweep, by=make_user(OPERATOR))
    run.cancel()
    type(sweep.device).objects.update(last_seen_at=None)
    with pytest.raises(applying.CannotApply, match="offline"):
        applying.apply(sweep, by=make_user(OPERATOR))
    assert not Application.objects.exists()


def test_a_refusal_of_the_board_is_kept_with_its_reason(sweep):
    application = applying.apply(sweep, by=make_user(OPERATOR))
    assert answer(application, is_ok=False)
    assert application.state == "refused"
    assert "emc reads 1" in application.log[-1]


def test_a_roll_back_that_fails_leaves_the_point_applied(sweep):
    application = applying.apply(sweep, by=make_user(OPERATOR))
    answer(application)
    application = applying.roll_back(sweep, by=make_user(OPERATOR))
    assert answer(application, is_ok=False)
    assert application.state == "applied"


def test_an_answer_that_comes_twice_or_late_changes_nothing(sweep):
    application = applying.apply(sweep, by=make_user(OPERATOR))
    answer(application, is_back=False)
    assert not answer(application, is_back=False)
    application.ask_back(by="olga")
    assert not answer(application, is_back=False)
    assert application.state == "rolling_back"


def test_a_later_application_replaces_the_one_that_stands(sweep):
    first = applying.apply(sweep, by=make_user(OPERATOR))
    answer(first)
    second = applying.apply(sweep, by=make_user(OPERATOR))
    answer(second)
    first.refresh_from_db()
    assert (first.state, second.state) == ("replaced", "applied")


def test_an_order_that_got_lost_is_sent_again_and_given_up_after_a_minute(sweep, sent):
    application = applying.apply(sweep, by=make_user(OPERATOR))
    measurement_tasks.send_orders_again()
    measurement_tasks.send_orders_again()
    assert [order["application"] for order in sent] == [application.pk]
    Application.objects.update(order_at="2020-01-01T00:00:00Z")
    measurement_tasks.send_orders_again()
    application.refresh_from_db()
    assert application.state == "refused"


def test_the_database_refuses_two_orders_to_a_board_at_once(sweep):
    application = applying.apply(sweep, by=make_user(OPERATOR))
    with pytest.raises((IntegrityError, ValidationError)):
        Application.objects.create(device=application.device)


def test_the_board_tells_by_its_own_token_only(sweep, client: Client):
    application = applying.apply(sweep, by=make_user(OPERATOR))
    told = Applied(
        application=application.pk, is_back=False, is_ok=True, reason="",
        read_back=application.point,
    )  # fmt: skip
    path = f"/api/v1/boards/{sweep.device.name}/applied"
    headers = {"Authorization": f"Bearer {token_of(make_sweep().device)}"}
    kind = "application/msgpack"
    assert client.generic("POST", path, encode(told), kind, headers=headers).status_code == 403
    headers = {"Authorization": f"Bearer {token_of(sweep.device)}"}
    assert client.generic("POST", path, encode(told), kind, headers=headers).status_code == 204
    application.refresh_from_db()
    assert application.state == "applied"


@pytest.mark.parametrize("path", ["apply/", "roll-back/"])
def test_a_reviewer_may_not_apply(sweep, client: Client, path):
    client.force_login(make_user(REVIEWER))
    assert client.post(f"{sweep.get_absolute_url()}{path}").status_code == 403


def test_the_bundle_is_downloaded_by_an_operator(sweep, client: Client):
    client.force_login(make_user(OPERATOR))
    page = client.get(f"{sweep.get_absolute_url()}bundle.zip")
    names = zipfile.ZipFile(io.BytesIO(page.content)).namelist()
    assert {Path(name).name for name in names} == {
        "README.md", "nvpmodel-polyweb.conf", "polyweb-point", "polyweb-point.conf",
        "polyweb-point.service", "manifest.json",
    }  # fmt: skip


def choice(**fields) -> bundle.Choice:
    values = {
        "title": "a sweep", "device": "orin", "kind": "agx-orin", "provenance": "emulated",
        "gpu_hz": tuple(GPU_HZ), "emc_hz": tuple(EMC_HZ), "cpu_hz": (1_113_600_000, 2_201_600_000),
        "gpu_min_hz": 114_750_000, "gpu_max_hz": 726_750_000, "hold_emc_hz": 2_133_000_000,
        "hold_cpu_hz": 1_113_600_000,
    }  # fmt: skip
    return bundle.Choice(**{**values, **fields})


def test_the_stanza_reads_back_as_the_point_in_nvpmodels_units():
    read = bundle.parse_stanza(bundle.stanza(choice()))
    assert read[("GPU", "MIN_FREQ")] == 114_750_000
    assert read[("GPU", "MAX_FREQ")] == 726_750_000
    assert read[("EMC", "MAX_FREQ")] == 2_133_000_000
    assert read[("CPU_A78_2", "MAX_FREQ")] == read[("CPU_A78_0", "MIN_FREQ")] == 1_113_600


@pytest.mark.parametrize("asked", [700_000_000, 726_750_001, 10**12, 1])
def test_every_value_of_a_bundle_is_a_legal_clock(asked):
    held = bundle.clocks(choice(gpu_max_hz=asked, hold_emc_hz=asked, hold_cpu_hz=asked))
    assert held["gpu_max_hz"] in GPU_HZ
    assert held["emc_hz"] in EMC_HZ
    assert held["cpu_hz"] in (1_113_600_000, 2_201_600_000)


def test_a_clock_without_a_table_is_refused():
    with pytest.raises(bundle.NotLegal):
        bundle.clocks(choice(emc_hz=()))


def test_the_bundled_script_applies_and_rolls_back_on_an_emulated_boards_files(tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    board = emulator.open_board("agx-orin", name="orin", tree=tree)
    info, before = board.describe(), board.point()
    picked = choice(
        gpu_hz=tuple(info.gpu_hz), emc_hz=tuple(info.emc_hz), cpu_hz=tuple(info.cpu_hz),
        gpu_min_hz=info.gpu_hz[1], gpu_max_hz=info.gpu_hz[3], hold_emc_hz=info.emc_hz[1],
        hold_cpu_hz=info.cpu_hz[4],
    )  # fmt: skip
    packed = zipfile.ZipFile(io.BytesIO(bundle.pack(picked, manifest={"batch_size": 4})))
    packed.extractall(out)
    home = out / "polyweb-orin"
    assert json.loads((home / "manifest.json").read_text())["provenance"] == "emulated"

    def script(verb: str) -> str:
        command = ["sh", home / "polyweb-point", verb, "--root", tree]
        command += ["--conf", home / "polyweb-point.conf"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "the point is held" in script("apply")
    held = emulator.open_board("agx-orin", name="orin", tree=tree).point()
    assert held == OperatingPoint(
        gpu_min_hz=info.gpu_hz[1], gpu_max_hz=info.gpu_hz[3], emc_hz=info.emc_hz[1],
        cpu_hz=info.cpu_hz[4],
    )  # fmt: skip
    assert "the point is held" in script("apply")  # Twice: "before" is not overwritten.
    assert "rolled back" in script("roll-back")
    assert emulator.open_board("agx-orin", name="orin", tree=tree).point() == before
