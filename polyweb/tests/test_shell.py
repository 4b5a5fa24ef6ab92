import re

import pytest
from django.test import Client, RequestFactory
from django.views.defaults import bad_request, server_error

from measurements.tests.rows import make_user
from polyweb import settings

pytestmark = pytest.mark.django_db


def signed_in(**fields: object) -> Client:
    client = Client()
    client.force_login(make_user(**fields))
    return client


def test_every_page_needs_sign_in_and_comes_back_to_where_one_was():
    for path in ("/", "/sweeps/", "/runs/", "/networks/", "/devices/", "/accounts/password/"):
        assert Client().get(path).url == f"/accounts/login/?next={path}"


def test_signing_in_leads_to_the_page_that_was_asked_for():
    make_user(username="ada", password="difference-engine")
    asked = Client().post(
        "/accounts/login/",
        {"username": "ada", "password": "difference-engine", "next": "/devices/"},
    )
    assert asked.url == "/devices/"


def test_signing_in_never_leads_to_another_site():
    make_user(username="ada", password="difference-engine")
    asked = Client().post(
        "/accounts/login/",
        {"username": "ada", "password": "difference-engine", "next": "https://evil.example/"},
    )
    assert asked.url == "/"


def test_a_wrong_password_is_explained_and_signs_nobody_in():
    make_user(username="ada", password="difference-engine")
    client = Client()
    html = client.post("/accounts/login/", {"username": "ada", "password": "x"}).content.decode()
    assert 'role="alert"' in html
    assert "_auth_user_id" not in client.session


def test_signing_out_needs_a_post_and_says_that_it_was_done():
    client = signed_in()
    assert client.get("/accounts/logout/").status_code == 405
    assert "Signed out" in client.post("/accounts/logout/").content.decode()
    assert "_auth_user_id" not in client.session


def test_a_changed_password_is_confirmed_on_the_next_page():
    client = signed_in(username="ada", password="difference-engine")
    words = {"old_password": "difference-engine"}
    words |= dict.fromkeys(("new_password1", "new_password2"), "analytical-engine")
    html = client.post("/accounts/password/", words, follow=True).content.decode()
    assert 'data-kind="ok"' in html
    assert "Your password is changed" in html


@pytest.mark.parametrize(
    ("path", "name"), [("/", "Overview"), ("/devices/", "Devices"), ("/devices/new/", "Devices")]
)
def test_the_rail_marks_where_one_is(path, name):
    client = signed_in(role="admin")
    html = client.get(path).content.decode()
    current = re.findall(r'aria-current="page">.*?<span>(\w+)</span>', html)
    assert current == [name]


def test_a_page_that_is_not_there_says_so_inside_the_shell():
    response = signed_in().get("/nowhere/<b>/")
    html = response.content.decode()
    assert response.status_code == 404
    assert "There is nothing at this address" in html
    assert "/nowhere/&lt;b&gt;/" in html
    assert "rail-nav" in html


def test_the_error_page_needs_neither_the_database_nor_a_user(django_assert_num_queries):
    request = RequestFactory().get("/")
    with django_assert_num_queries(0):
        failed, refused = server_error(request), bad_request(request, ValueError())
    assert "The server failed" in failed.content.decode()
    assert (failed.status_code, refused.status_code) == (500, 400)


def test_no_page_of_the_shell_has_inline_script_or_style():
    client = signed_in(role="admin")
    pages = [
        client.get(path) for path in ("/", "/devices/", "/devices/new/", "/accounts/password/")
    ]
    pages += [Client().get("/accounts/login/"), server_error(RequestFactory().get("/"))]
    for page in pages:
        html = page.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", html)
        assert not re.search(r"<style|\sstyle=|\son\w+=", html)


def test_the_content_security_policy_allows_no_inline_script():
    policy = Client().get("/accounts/login/")["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("sheet", ["tokens", "base", "components", "print"])
def test_style_sheets_use_only_tokens_that_exist(sheet):
    css = settings.BASE_DIR / "static" / "css"
    tokens = set(re.findall(r"(--[\w-]+):", (css / "tokens.css").read_text()))
    text = (css / f"{sheet}.css").read_text()
    own = set(re.findall(r"(--[\w-]+):", text))
    assert set(re.findall(r"var\((--[\w-]+)", text)) <= tokens | own


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["surface", "surface-raised", "surface-sunken"])
def test_text_and_state_colours_have_aa_contrast_on_every_surface(theme, ground):
    tokens = (settings.BASE_DIR / "static" / "css" / "tokens.css").read_text()
    pairs = dict(
        (name, (light, dark))
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", tokens)
    )
    for name in ("text", "text-quiet", "accent", "ok", "warn", "bad"):
        assert _contrast(pairs[name][theme], pairs[ground][theme]) >= 4.5, name
    assert _contrast(pairs["accent-text"][theme], pairs["accent"][theme]) >= 4.5
    assert _contrast(pairs["line-strong"][theme], pairs[ground][theme]) >= 3
