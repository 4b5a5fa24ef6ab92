"""One HTTP POST to a host that an admin allowed, and to no other machine.

The name is resolved once, every address is checked, and the connection goes to a checked
address with the name in Host and SNI: a name that resolves to something else a moment later
changes nothing. No redirect is followed, no proxy used, and time and answer are bounded.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

CONNECT_S = 5.0
ALL_S = 10.0
ANSWER_BYTES = 2048
"""As much of the answer's body is read, and no more."""
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
PORTS = {"https": 443, "http": 80}
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""NAT64: the last four bytes are an IPv4 address."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(ValueError):
    """The rules do not allow this URL or its address; trying again changes nothing."""


class NotSent(OSError):
    """It was not delivered this time; the text says why."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Where may be posted to.

    Args:
        hosts: `name`, `.name` (all below it) or `name:port`; a name without a port has
            its scheme's own port only.
    """

    hosts: tuple[str, ...]
    allow_http: bool = False
    allow_private: bool = False
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    took_s: float


def target_of(url: str, rules: Rules) -> Target:
    """The parts of an allowed URL.

    Raises:
        Forbidden: It is not.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Forbidden(f"This is no URL: {error}.") from error
    host = (parts.hostname or "").rstrip(".")
    _check_form(url, parts, host, rules)
    port = port or PORTS[parts.scheme]
    if not _is_listed(host, port, parts.scheme, rules.hosts):
        raise Forbidden(f"{host}:{port} is not among the hosts that WEBHOOK_HOSTS allows.")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, (parts.path or "/") + query)


def addresses_of(target: Target, rules: Rules) -> list[str]:
    """What the host resolves to now; every address is one that may be spoken to.

    Raises:
        Forbidden: One of them is private, local or otherwise not public.
        NotSent: It does not resolve.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{target.host} does not resolve: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not rules.allow_private:
        for address in addresses:
            if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise Forbidden(f"{target.host} is {address}, which is not a public address.")
    return addresses


def is_public(address: Address) -> bool:
    """Whether `address`, and any IPv4 address wrapped in it, is one of the public Internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        teredo = address.teredo
        if inner is None and address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if teredo is not None or address.is_site_local:
            return False
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved)


def post(url: str, body: bytes, headers: Mapping[str, str], rules: Rules) -> Answer:
    """Send `body` once.

    Raises:
        Forbidden: The rules do not allow it, or the answer was a redirect.
        NotSent: It did not arrive, or the answer was not a success.
    """
    target = target_of(url, rules)
    addresses = addresses_of(target, rules)
    began_s = time.monotonic()
    sock = _secured(_connected(target, addresses), target, rules)
    ends = threading.Timer(ALL_S, _cut, [sock])
    ends.daemon = True
    ends.start()
    try:
        status = _exchange(target, sock, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise NotSent(f"{target.host}: {error or type(error).__name__}") from error
    finally:
        ends.cancel()
        sock.close()
    return _judged(status, time.monotonic() - began_s)


def _check_form(url: str, parts: SplitResult, host: str, rules: Rules) -> None:
    if any(character <= " " or character == "\x7f" for character in url) or not url.isascii():
        raise Forbidden("A URL has ASCII characters and no spaces.")
    if parts.scheme not in PORTS or (parts.scheme == "http" and not rules.allow_http):
        raise Forbidden("The URL must begin with https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Forbidden("A URL with a password or a fragment is not allowed.")
    if not NAME.fullmatch(host) and not _is_ip(host):
        raise Forbidden("The URL has no valid host name.")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_listed(host: str, port: int, scheme: str, hosts: tuple[str, ...]) -> bool:
    own_port = port == PORTS[scheme]
    for entry in hosts:
        listed = entry.lower()
        if listed == f"{host}:{port}" or (own_port and listed == host):
            return True
        if own_port and listed.startswith(".") and host.endswith(listed):
            return True
    return False


def _connected(target: Target, addresses: list[str]) -> socket.socket:
    """A connection to the first of the checked addresses that answers."""
    why: OSError = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, target.port), timeout=CONNECT_S)
        except OSError as error:
            why = error
    raise NotSent(f"{target.host} cannot be reached: {why}") from why


def _secured(sock: socket.socket, target: Target, rules: Rules) -> socket.socket:
    """The handshake comes with the exchange, so that it counts as time, too."""
    if target.scheme == "http":
        return sock
    context = rules.tls or ssl.create_default_context()
    return context.wrap_socket(sock, server_hostname=target.host, do_handshake_on_connect=False)


def _exchange(target: Target, sock: socket.socket, body: bytes, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    sent = {"Host": target.host_header, "Connection": "close", **headers}
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        connection.request("POST", target.path, body=body, headers=sent)
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES)
    finally:
        connection.close()
    return answer.status


def _cut(sock: socket.socket) -> None:
    """End what takes too long, however slowly it drips."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # It has ended by itself.


def _judged(status: int, took_s: float) -> Answer:
    if 300 <= status < 400:
        raise Forbidden(f"It answered {status}: a redirect, which is not followed.")
    if not 200 <= status < 300:
        raise NotSent(f"It answered {status}.")
    return Answer(status, took_s)
