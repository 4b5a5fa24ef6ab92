import pytest
from django.test import Client
from django.urls import reverse

from measurements.models import Device, DeviceToken, Run
from measurements.tests.rows import (
    GPU_HZ,
    board_info,
    make_device,
    make_done_run,
    make_network,
    make_run,
    make_user,
)

pytestmark = pytest.mark.django_db


def signed_in(role: str = "viewer") -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


def page(client: Client, name: str, *args: object, **headers: str) -> str:
    response = client.get(reverse(name, args=args), headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def test_a_visitor_who_is_not_signed_in_sees_no_device():
    make_device(name="orin")
    for url in (reverse("devices"), reverse("device", args=["orin"])):
        assert Client().get(url).url.startswith("/accounts/login/")


def test_the_list_shows_the_state_of_each_board_and_that_its_data_is_emulated():
    make_device(name="here")
    make_device(name="gone", online=False, provenance="real")
    html = page(signed_in(), "devices")
    assert 'data-state="online"' in html
    assert 'data-state="offline"' in html
    assert html.count('data-provenance="emulated"') == 1


def test_the_list_costs_the_same_for_many_boards(django_assert_max_num_queries):
    client = signed_in()
    for _ in range(30):
        device = make_device()
        device.running = make_run(device=device)
        device.save()
    with django_assert_max_num_queries(8):  # session, user, roles, unread, views, tags, count, rows
        page(client, "devices")


def test_an_htmx_poll_gets_the_table_alone():
    make_device(name="orin")
    html = page(signed_in(), "devices", **{"HX-Request": "true"})
    assert html.lstrip().startswith('<div id="devices"')
    assert "<html" not in html


def test_a_poll_that_finds_nothing_new_is_answered_not_modified():
    make_device(name="orin")
    client = signed_in()
    first = client.get(reverse("devices"), headers={"HX-Request": "true"})
    again = client.get(
        reverse("devices"), headers={"HX-Request": "true", "If-None-Match": first["ETag"]}
    )
    assert again.status_code == 304
    assert "HX-Request" in first["Vary"]


def test_a_busy_board_says_what_it_is_measuring_and_links_to_it():
    device = make_device(name="orin")
    run = make_run(device=device, network=make_network(name="Tiny"), batch_size=4)
    Device.objects.update(running=run, phase="serve", requests_done=31)
    html = page(signed_in(), "device", "orin")
    assert "Tiny at batch size 4" in html
    assert "<strong>31</strong> of 100 requests" in html
    assert run.get_absolute_url() in html


def test_clocks_that_are_not_as_default_are_shown_beside_it():
    make_device(name="orin", now_gpu_min_hz=GPU_HZ[1], now_gpu_max_hz=GPU_HZ[1], now_emc_hz=None)
    html = page(signed_in(), "device", "orin")
    assert "<strong>726.75</strong> MHz" in html
    assert "default 114.75–1300.5 MHz" in html
    assert "<strong>governed</strong>" in html


def test_the_clocks_of_an_offline_board_are_unknown():
    make_device(name="orin", online=False, now_gpu_max_hz=GPU_HZ[1])
    html = page(signed_in(), "device", "orin")
    assert "726.75</strong>" not in html
    assert "its clocks are not known now" in html


def test_rails_say_whether_they_make_the_total():
    make_device(name="orin")
    html = page(signed_in(), "device", "orin")
    assert html.count("<td>yes</td>") == 3
    assert "no, shown by itself" in html
    assert "What no sensor sees" in html


def test_a_board_whose_total_is_not_known_says_so():
    make_device(name="orin", total_of=[])
    assert "Which rails make the total is not known" in page(signed_in(), "device", "orin")


def test_rejected_records_are_shown_with_their_reasons():
    device = make_device(name="orin", spooled=3)
    device.rejected_records.create(
        run_uuid="2b1f8a52-8f0e-4f0c-9a3b-7f7b2f1a0c11", reason="<b>no such run</b>"
    )
    html = page(signed_in(), "device", "orin")
    assert "&lt;b&gt;no such run&lt;/b&gt;" in html
    assert '<span class="figure-value">3</span>' in html


def test_a_device_that_never_registered_shows_how_to_start_its_worker():
    Device.objects.create(name="desk")
    html = page(signed_in(), "device", "desk")
    assert "has not registered yet" in html
    assert "manage.py board_login desk" in html
    assert "measurements.board.worker --name desk" in html


def test_the_page_says_what_sampling_takes_of_the_cpu_at_least():
    device = make_device(name="orin", provenance="real")
    make_done_run(device=device, manifest={})
    assert "CPU time was not counted" in page(signed_in(), "device", "orin")
    counted = {"over_s": 20.0, "reader_s": 0.06, "program_s": 0.2}
    make_done_run(device=device, manifest={"sampler_cpu": counted}, sample_interval_ms=50)
    html = page(signed_in(), "device", "orin")
    told = html[html.index('id="sampler-cpu"') :].split("</p>")[0]
    assert "sampling each 50 ms takes at least" in told and "lower bound" in told
    assert "1.3" in told and "0.013" in told and "tegrastats" in told


def test_an_emulated_board_says_that_its_sampling_takes_no_cpu_of_it():
    make_device(name="emulated", provenance="emulated")
    assert "there is no board" in page(signed_in(), "device", "emulated")


def test_the_page_of_a_board_with_many_runs_costs_few_queries(django_assert_max_num_queries):
    device = make_device(name="orin")
    for _ in range(20):
        make_done_run(device=device)
    client = signed_in()
    with django_assert_max_num_queries(12):
        page(client, "device", "orin")
    with django_assert_max_num_queries(4):  # session, user, device, counts
        page(client, "device", "orin", **{"HX-Request": "true"})


def test_only_an_admin_sees_tokens_and_the_buttons_for_them():
    DeviceToken.issue(make_device(name="orin"))
    assert 'id="tokens"' not in page(signed_in("operator"), "device", "orin")
    assert 'id="tokens"' in page(signed_in("admin"), "device", "orin")


def test_a_token_is_shown_once_and_never_cached():
    make_device(name="orin")
    client = signed_in("admin")
    response = client.post(reverse("device_token", args=["orin"]))
    token = response.context["token"]
    assert token in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert DeviceToken.device_of(token) is not None
    assert token not in page(client, "device", "orin")


def test_a_revoked_token_opens_nothing():
    device = make_device(name="orin")
    token = DeviceToken.issue(device)
    url = reverse("device_token_revoke", args=["orin", device.tokens.get().pk])
    response = signed_in("admin").post(url, follow=True)
    assert response.redirect_chain == [(reverse("device", args=["orin"]), 302)]
    assert "is revoked" in response.content.decode()
    assert DeviceToken.device_of(token) is None


def test_a_token_is_revoked_only_through_its_own_device():
    make_device(name="orin")
    other = make_device(name="nano")
    DeviceToken.issue(other)
    url = reverse("device_token_revoke", args=["orin", other.tokens.get().pk])
    assert signed_in("admin").post(url).status_code == 404
    assert other.tokens.get().revoked_at is None


@pytest.mark.parametrize("role", ["viewer", "operator", "reviewer"])
def test_without_the_admin_role_tokens_and_devices_are_refused_with_the_reason(role):
    token = DeviceToken.issue(make_device(name="orin"))
    pk = DeviceToken.objects.get().pk
    client = signed_in(role)
    for response in (
        client.post(reverse("device_token", args=["orin"])),
        client.post(reverse("device_token_revoke", args=["orin", pk])),
        client.post(reverse("device_new"), {"name": "mine"}),
    ):
        assert response.status_code == 403
        assert "needs the admin role" in response.content.decode()
    assert DeviceToken.device_of(token) is not None
    assert Device.objects.count() == 1


def test_a_token_needs_a_post_with_the_forms_own_secret():
    make_device(name="orin")
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("admin"))
    url = reverse("device_token", args=["orin"])
    assert client.get(url).status_code == 405
    refused = client.post(url)
    assert refused.status_code == 403
    assert "The form was not accepted" in refused.content.decode()
    assert DeviceToken.objects.count() == 0


def test_an_admin_adds_a_device_and_gets_its_first_token():
    response = signed_in("admin").post(reverse("device_new"), {"name": "Orin-Lab"})
    assert DeviceToken.device_of(response.context["token"]).name == "orin-lab"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("orin", "There is a device of this name already."),
        ("ORIN", "There is a device of this name already."),
        ("two words", "letters, digits, hyphens"),
        ("new", "address of a page"),
        ("", "required"),
    ],
)
def test_a_name_that_cannot_be_is_explained_at_the_field(name, reason):
    make_device(name="orin")
    response = signed_in("admin").post(reverse("device_new"), {"name": name})
    assert reason in response.content.decode()
    assert Device.objects.count() == 1


def test_the_latest_runs_are_those_of_this_device():
    device = make_device(name="orin")
    make_done_run(device=device, network=make_network(name="Mine"))
    make_done_run(network=make_network(name="Theirs"))
    html = page(signed_in(), "device", "orin")
    assert "Mine" in html
    assert "Theirs" not in html
    assert Run.objects.count() == 2


def test_an_admin_corrects_the_total_and_the_page_keeps_who_and_what():
    device, admin = make_device(name="orin"), signed_in("admin")
    chosen = {"total_of": ["VDD_GPU_SOC", "VDD_CPU_CV"]}
    assert admin.post(reverse("rail_map", args=["orin"]), chosen).status_code == 302
    device.refresh_from_db()
    assert device.total_of == chosen["total_of"]
    html = page(admin, "device", "orin")
    assert "corrected by an admin" in html
    assert "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0" in html
    assert "carrier board" in html


def test_a_correction_outlives_a_new_registration_and_none_means_the_boards_own_word():
    device, admin = make_device(name="orin"), signed_in("admin")
    admin.post(reverse("rail_map", args=["orin"]), {"total_of": ["VDD_GPU_SOC"]})
    device = Device.objects.get(pk=device.pk)
    device.register(board_info(name="orin"))
    assert device.total_of == ["VDD_GPU_SOC"]
    admin.post(reverse("rail_map", args=["orin"]), {})
    device.refresh_from_db()
    assert device.total_of == device.board_total_of == list(device.rails[:3])


def test_a_total_that_counts_a_rail_twice_is_refused_with_both_names():
    make_device(name="orin")
    chosen = {"total_of": ["VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"]}
    response = signed_in("admin").post(reverse("rail_map", args=["orin"]), chosen)
    assert response.status_code == 200
    assert "VIN_SYS_5V0 feeds VDDQ_VDD2_1V8AO" in response.content.decode()


def test_only_an_admin_may_correct_the_total():
    make_device(name="orin")
    assert signed_in("operator").post(reverse("rail_map", args=["orin"]), {}).status_code == 403
    assert "Correct the total" not in page(signed_in("operator"), "device", "orin")
