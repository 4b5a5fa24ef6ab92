"""The pages of networks, and their form, as an operator and a viewer meet them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from measurements.models import Network
from measurements.roles import OPERATOR, VIEWER

from .onnx_files import dense
from .rows import make_done_run, make_network, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def plain_storage(settings, tmp_path: Path) -> None:
    media = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path},
    }
    statics = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {"default": media, "staticfiles": statics}


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


def text_of(response) -> str:
    main = response.content.decode().split("<main", 1)[1].split("</main>")[0]
    words = " ".join(re.sub(r"<[^>]+>", " ", f"<main{main}").replace("&nbsp;", " ").split())
    return re.sub(r" ([;.])", r"\1", words)


def upload(client: Client, content: bytes, *, name: str = "", file_name: str = "net.onnx"):
    file = SimpleUploadedFile(file_name, content)
    return client.post(reverse("network_upload"), {"file": file, "name": name})


def test_an_empty_list_says_what_a_network_is():
    page = text_of(signed_in(OPERATOR).get(reverse("networks")))
    assert "No networks yet" in page and "Upload a network" in page


def test_the_list_shows_each_network_with_its_runs():
    network = make_network(name="Small one")
    make_done_run(network=network)
    page = text_of(signed_in(VIEWER).get(reverse("networks")))
    assert "Small one 5.29 0.386 0.800 101.0 7.92" in page
    assert "built in 1" in page


def test_the_list_is_sorted_by_name():
    for name in ("beta", "gamma", "alpha"):
        make_network(name=name)
    page = text_of(signed_in(VIEWER).get(reverse("networks")))
    assert page.index("alpha") < page.index("beta") < page.index("gamma")


def test_the_list_asks_the_database_no_more_for_many_networks(django_assert_max_num_queries):
    client = signed_in(VIEWER)
    for _ in range(30):
        make_network()
    with django_assert_max_num_queries(8):
        client.get(reverse("networks"))


def test_a_viewer_finds_no_way_to_upload():
    client = signed_in(VIEWER)
    assert "Upload network" not in client.get(reverse("networks")).content.decode()
    assert client.get(reverse("network_upload")).status_code == 403
    assert upload(client, dense().SerializeToString()).status_code == 403
    assert not Network.objects.exists()


def test_the_answer_stands_first_on_a_network_s_page():
    network = make_network()
    page = text_of(signed_in(VIEWER).get(network.get_absolute_url()))
    answer = "5.29 M parameters; 386 MMAC a request at batch 1; intensity 7.92 FLOPs per byte."
    assert answer in page
    assert "Nothing has run this network yet" in page


def test_a_fixed_batch_size_is_said_and_no_other_is_shown():
    network = make_network(batch_is_dynamic=False, input_shape=[4, 3, 8, 8])
    page = text_of(signed_in(VIEWER).get(network.get_absolute_url()))
    assert "takes batches of 4" in page and "a request at batch 4" in page
    assert page.count("FLOPs a batch") == 1 and "fixed at 4" in page


def test_a_network_s_page_lists_its_runs():
    run = make_done_run(title="The best one")
    page = text_of(signed_in(VIEWER).get(run.network.get_absolute_url()))
    assert "The best one" in page and "0.400 J ± 0.004" in page


def test_an_upload_leads_to_the_network_under_the_file_s_name():
    client = signed_in(OPERATOR)
    response = upload(client, dense().SerializeToString(), file_name="my_net.onnx")
    network = Network.objects.get()
    assert response.url == network.get_absolute_url() and network.name == "my_net"
    assert network.created_by is not None


def test_a_bad_file_is_told_at_the_field_and_the_name_stays():
    response = upload(signed_in(OPERATOR), b"no onnx", name="What I typed")
    page = response.content.decode()
    assert response.status_code == 422 and 'value="What I typed"' in page
    assert "This is not an ONNX" in page and "Nothing was stored." in page
    assert "This is not an ONNX" in str(response.context["form"]["file"].errors)
    assert not Network.objects.exists()


def test_a_name_that_is_taken_is_told_at_the_name():
    make_network(name="taken")
    response = upload(signed_in(OPERATOR), dense().SerializeToString(), name="taken")
    assert "give another name" in str(response.context["form"]["name"].errors)


def test_the_same_file_again_links_to_the_first():
    client = signed_in(OPERATOR)
    upload(client, dense().SerializeToString(), name="first")
    response = upload(client, dense().SerializeToString(), name="second")
    first = Network.objects.get()
    assert f'<a href="{first.get_absolute_url()}">first</a>' in response.content.decode()


def test_names_from_a_file_cannot_write_html():
    model = dense()
    model.graph.input[0].name = model.graph.node[0].input[0] = "<script>x</script>"
    client = signed_in(OPERATOR)
    response = client.get(upload(client, model.SerializeToString(), name="<b>").url)
    assert "<script>x" not in response.content.decode() and "<b>" not in response.content.decode()


def test_a_file_above_the_limit_is_told_at_the_field(settings):
    settings.NETWORK_MAX_BYTES = 10
    response = upload(signed_in(OPERATOR), dense().SerializeToString())
    assert "larger than" in str(response.context["form"]["file"].errors)
