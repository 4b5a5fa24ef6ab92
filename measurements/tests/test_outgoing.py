"""A POST goes to an allowed, public host and nowhere else."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements import outgoing
from measurements.outgoing import Forbidden, NotSent, Rules, is_public, post, target_of

from .http_server import http_server

HERE = "127.0.0.1"


def rules(port: int, **fields) -> Rules:
    """Of a test server on the loopback, which the real rules refuse."""
    values = {"hosts": (f"{HERE}:{port}", f"hook.example:{port}"), "allow_http": True,
              "allow_private": True}  # fmt: skip
    return Rules(**{**values, **fields})


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/x",
        "https://evil.example/",
        "https://hook.example.evil.example/",
        "https://hook.example:8443/",
        "https://user:password@hook.example/",
        "https://hook.example@evil.example/",
        "https://evil.example\\@hook.example/",
        "https://hook.example/#x",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "https:///x",
        "https://hook.example:99999/",
        "https://hook.example/ x",
        "https://hook.example/\r\nX: y",
        "https://h\u043eok.example/",
        "//hook.example/",
        "",
        "https://[::1",
    ],
)
def test_a_url_that_is_not_allowed_is_refused(url: str):
    with pytest.raises(Forbidden):
        target_of(url, Rules(hosts=("hook.example",)))


def test_hosts_are_listed_by_name_by_what_is_below_a_name_or_with_a_port():
    allowed = Rules(hosts=("Hook.example", ".team.example", "ci.example:8443"))
    for url in ("https://hook.example/a?b=c", "https://HOOK.example./", "https://x.team.example/",
                "https://ci.example:8443/", "https://hook.example:443/"):  # fmt: skip
        assert target_of(url, allowed).scheme == "https"
    for url in ("https://team.example/", "https://ci.example/", "https://xteam.example/"):
        with pytest.raises(Forbidden, match="WEBHOOK_HOSTS"):
            target_of(url, allowed)


def test_nothing_is_allowed_where_no_host_is_listed():
    with pytest.raises(Forbidden):
        target_of("https://hook.example/", Rules(hosts=()))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "0.0.0.0",
     "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1",
     "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
     "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:1::1", "fec0::1",
     "2001:db8::1"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_none(address: str):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111"])
def test_a_public_address_is_public(address: str):
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_never_makes_it_public(address: ipaddress.IPv4Address):
    wrapped = [f"::ffff:{address}", str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address))),
               str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))]  # fmt: skip
    for text in wrapped:
        assert is_public(ipaddress.ip_address(text)) <= is_public(address)


def test_a_name_that_resolves_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443))
               for ip in ("93.184.215.14", "169.254.169.254")]  # fmt: skip
    monkeypatch.setattr(outgoing.socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(Forbidden, match="169.254.169.254, which is not a public address"):
        post("https://hook.example/", b"", {}, Rules(hosts=("hook.example",)))


def test_the_name_is_resolved_once_and_the_checked_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
):
    """DNS rebinding: a second answer, to another machine, would not be asked for."""
    asked = []

    def resolve(host: str, port: int, *_: object, **__: object) -> list:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, port))]

    with http_server() as server:
        port = port_of(server.url)
        connect, went = socket.create_connection, []
        monkeypatch.setattr(
            outgoing.socket,
            "create_connection",
            lambda to, **more: went.append(to) or connect(to, **more),
        )
        monkeypatch.setattr(outgoing.socket, "getaddrinfo", resolve)
        post(f"http://hook.example:{port}/x", b"hello", {}, rules(port))
        assert server.next().headers["Host"] == f"hook.example:{port}"
    assert went == [(HERE, port)]
    assert asked[0] == "hook.example" and "hook.example" not in asked[1:]


def test_what_is_sent_arrives_whole():
    with http_server() as server:
        port = port_of(server.url)
        answer = post(f"{server.url}/in?a=b", b"\x00body", {"X-One": "1"}, rules(port))
        got = server.next()
    assert (got.method, got.path, got.body, got.headers["X-One"]) == (
        "POST", "/in?a=b", b"\x00body", "1")  # fmt: skip
    assert answer.status == 204


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int):
    with http_server() as server:
        server.answer = lambda asked: (status, b"")
        with pytest.raises(Forbidden, match="a redirect, which is not followed"):
            post(server.url, b"", {}, rules(port_of(server.url)))
        server.next()
        assert server.asked.empty()


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_refusal_is_not_a_delivery(status: int):
    with http_server() as server:
        server.answer = lambda asked: (status, b"no")
        with pytest.raises(NotSent, match=str(status)):
            post(server.url, b"", {}, rules(port_of(server.url)))


def test_a_long_answer_is_not_read_to_its_end():
    with http_server() as server:
        server.answer = lambda asked: (200, b"x" * 50_000_000)
        began_s = time.monotonic()
        assert post(server.url, b"", {}, rules(port_of(server.url))).status == 200
        assert time.monotonic() - began_s < 5


def test_a_port_where_nobody_listens_is_no_delivery():
    with socket.socket() as held:
        held.bind((HERE, 0))
        port = held.getsockname()[1]
        with pytest.raises(NotSent, match="cannot be reached"):
            post(f"http://{HERE}:{port}/", b"", {}, rules(port))


def test_an_answer_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outgoing, "ALL_S", 0.4)
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer:
            while not stop.wait(0.05):
                try:
                    peer.send(b"H")
                except OSError:
                    return

    with socket.create_server((HERE, 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=drip, args=[listening])
        thread.start()
        began_s = time.monotonic()
        with pytest.raises(NotSent):
            post(f"http://{HERE}:{port}/", b"", {}, rules(port))
        assert time.monotonic() - began_s < 3
        stop.set()
        thread.join()


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")
def test_a_certificate_must_be_believed_and_be_the_hosts(tmp_path, monkeypatch):
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 2 "
        "-subj /CN=hook.example -addext subjectAltName=DNS:hook.example"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "c", tmp_path / "k")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "c"))
    resolve = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, 0))]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        outgoing.socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve if host == "hook.example" else real(host, *a, **k),
    )
    with http_server(tls) as server:
        port = port_of(server.url)
        url = f"https://hook.example:{port}/"
        with pytest.raises(NotSent, match="certificate"):
            post(url, b"", {}, rules(port))
        with pytest.raises(NotSent, match=r"certificate|IP address mismatch"):
            post(f"https://{HERE}:{port}/", b"", {}, rules(port, tls=trusting))
        assert post(url, b"", {}, rules(port, tls=trusting)).status == 204
