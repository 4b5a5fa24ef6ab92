import hashlib
import queue
import shutil
import ssl
import subprocess

import pytest

from measurements.board.reports import Deliveries, Presence
from measurements.board.spool import Spool
from measurements.board.status import Status
from measurements.board.uplink import (
    InsecureAddress,
    NotRegistered,
    NotWanted,
    Refused,
    Server,
    Unreachable,
    Uplink,
    back_off_s,
    require_secure,
)
from measurements.messages import (
    BoardInfo,
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    OperatingPoint,
    decode,
    encode,
)
from measurements.tests.http_server import http_server

RUN = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
INFO = BoardInfo(
    name="bench-1",
    kind="agx-orin",
    model="NVIDIA Jetson AGX Orin Developer Kit",
    l4t="35.3.1",
    jetpack="5.1.1",
    provenance="emulated",
    provenance_note="none of it is real",
    gpu_hz=[114_750_000],
    emc_hz=[204_000_000],
    cpu_hz=[115_200_000],
    default=OperatingPoint(),
    rails=[],
    sensor_lag_s=0.42,
    software={},
)


@pytest.fixture
def server():
    with http_server() as server:
        yield server


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    return path


@pytest.fixture
def uplink(server, token_file, tmp_path):
    return _uplink(server.url, token_file, tmp_path)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def _uplink(url, token_file, tmp_path):
    return Uplink(Server(url, token_file), name="bench-1", networks=tmp_path / "networks")


def _status(**point):
    return Status(lambda: OperatingPoint(**point))


# Signing in, and where to.


def test_each_request_carries_the_token_that_the_file_holds_at_that_moment(
    server, uplink, token_file
):
    uplink.register(INFO)
    token_file.write_text("renewed")
    uplink.register(INFO)
    tokens = [server.next().headers["Authorization"] for _ in range(2)]
    assert tokens == ["Bearer s3cret", "Bearer renewed"]


def test_a_token_that_is_missing_for_a_moment_is_waited_for(server, uplink, token_file, spool):
    token_file.unlink()
    spool.put(RUN, b"record")
    assert not uplink.deliver(spool)
    token_file.write_text("s3cret")
    assert uplink.deliver(spool)


@pytest.mark.parametrize(
    "url",
    [
        "https://polyweb.example.org",
        "rediss://:p@broker.example.org:6380/0",
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "http://[::1]:8000",
        "redis://board:p@127.0.0.1:6379/0",
    ],
)
def test_encrypted_and_loopback_addresses_are_accepted(url):
    require_secure(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://polyweb.example.org",
        "http://192.168.1.10:8000",
        "http://0.0.0.0:8000",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "redis://broker.example.org/0",
        "polyweb.example.org",
    ],
)
def test_secrets_never_go_out_in_the_clear(url, token_file):
    with pytest.raises(InsecureAddress, match="https://"):
        Server(url, token_file)


def test_a_server_behind_a_path_is_reached_there(server, token_file, tmp_path):
    _uplink(f"{server.url}/polyweb/", token_file, tmp_path).register(INFO)
    assert server.next().path == "/polyweb/api/v1/boards/bench-1/register"


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")
def test_a_certificate_that_nobody_signed_is_not_believed(token_file, tmp_path):
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 2 -subj /CN=127.0.0.1"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "c", tmp_path / "k")
    with http_server(tls) as impostor:
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            _uplink(impostor.url, token_file, tmp_path).register(INFO)
        assert impostor.asked.empty()


# Claims.


def test_a_claim_gives_the_attempts_number(server, uplink):
    server.answer = lambda asked: (200, encode(ClaimReply(attempt=2)))
    assert uplink.claim(RUN) == 2
    asked = server.next()
    assert (asked.method, asked.path) == ("POST", f"/api/v1/runs/{RUN}/claim")


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_run_that_is_not_wanted_says_so(server, uplink, status):
    server.answer = lambda asked: (status, b"Run is done: drop this plan.")
    with pytest.raises(NotWanted, match="drop this plan"):
        uplink.claim(RUN)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_claim_that_failed_is_not_taken_for_an_unwanted_run(server, uplink, status):
    server.answer = lambda asked: (status, b"busy")
    with pytest.raises(Refused, match=f"{status}: busy"):
        uplink.claim(RUN)


def test_a_reply_that_is_no_message_is_an_error(server, uplink):
    server.answer = lambda asked: (200, b"<html>a proxy's page</html>")
    with pytest.raises(Refused, match="not a ClaimReply"):
        uplink.claim(RUN)


# Records.


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_record_that_was_taken_leaves_the_spool(server, uplink, spool, status):
    server.answer = lambda asked: (status, b"")
    spool.put(RUN, b"record")
    assert uplink.deliver(spool)
    assert spool.run_ids() == []
    asked = server.next()
    assert (asked.method, asked.path, asked.body) == (
        "PUT",
        f"/api/v1/runs/{RUN}/record",
        b"record",
    )
    assert asked.headers["Content-Type"] == "application/msgpack"


@pytest.mark.parametrize("status", [301, 302, 401, 408, 429, 500, 502, 503])
def test_a_record_that_could_not_be_taken_now_waits(server, uplink, spool, status):
    server.answer = lambda asked: (status, b"later")
    spool.put(RUN, b"record")
    assert not uplink.deliver(spool)
    assert spool.run_ids() == [RUN]
    assert spool.rejected() == []


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
def test_a_record_refused_for_good_is_put_aside_with_the_servers_words(
    server, uplink, spool, status
):
    server.answer = lambda asked: (status, b"Not this board's run.")
    spool.put(RUN, b"record")
    assert uplink.deliver(spool)
    assert spool.run_ids() == []
    assert [kept.reason for kept in spool.rejected()] == [f"{status}: Not this board's run."]


def test_one_bad_record_does_not_hold_up_the_others(server, uplink, spool):
    server.answer = lambda asked: (500 if RUN in asked.path else 200, b"")
    spool.put(RUN, b"record")
    spool.put(OTHER, b"record")
    assert not uplink.deliver(spool)
    assert spool.run_ids() == [RUN]


def test_a_revoked_token_stops_the_delivery_and_rejects_nothing(server, uplink, spool):
    server.answer = lambda asked: (401, b"no such token")
    spool.put(RUN, b"record")
    spool.put(OTHER, b"record")
    assert not uplink.deliver(spool)
    assert len(spool.run_ids()) == 2
    assert server.asked.qsize() == 1


def test_a_server_that_is_away_leaves_everything_in_the_spool(token_file, tmp_path, spool):
    with http_server() as gone:
        url = gone.url
    spool.put(RUN, b"record")
    assert not _uplink(url, token_file, tmp_path).deliver(spool)
    assert spool.run_ids() == [RUN]


def test_a_board_that_was_cut_off_delivers_everything_once(server, uplink, spool):
    answers = iter([503, 503, 503, 503])
    server.answer = lambda asked: (next(answers, 200), b"")
    spool.put(RUN, b"record")
    spool.put(OTHER, b"record")
    deliveries = Deliveries(uplink, spool=spool, status=_status(), most_s=0.01, first_s=0.01)
    deliveries.start()
    paths = [server.next().path for _ in range(6)]
    deliveries.stop()
    assert sorted(paths[4:]) == [f"/api/v1/runs/{run}/record" for run in (RUN, OTHER)]
    assert spool.run_ids() == []
    assert server.asked.empty()


def test_no_record_is_sent_while_a_trial_has_the_board(server, uplink, spool):
    status = _status()
    spool.put(RUN, b"record")
    deliveries = Deliveries(uplink, spool=spool, status=status, most_s=0.01, first_s=0.01)
    with status.board_in_use:
        deliveries.start()
        with pytest.raises(queue.Empty):
            server.asked.get(timeout=0.2)
    assert server.next().path.endswith("/record")
    deliveries.stop()


def test_waits_double_up_to_their_limit_with_jitter():
    delays_s = back_off_s(1.0, 8.0)
    nominal_s = [1.0, 2.0, 4.0, 8.0, 8.0]
    for expected_s, delay_s in zip(nominal_s, delays_s, strict=False):
        assert 0.75 * expected_s <= delay_s <= 1.25 * expected_s


# Registering and heartbeats.


@pytest.mark.parametrize("status", [404, 409])
def test_a_heartbeat_of_an_unknown_board_asks_for_registration(server, uplink, spool, status):
    server.answer = lambda asked: (status, b"Register first.")
    with pytest.raises(NotRegistered):
        uplink.heartbeat(_status().heartbeat(spool))


def test_presence_registers_until_it_is_heard_and_again_when_it_was_forgotten(
    server, uplink, spool
):
    answers = iter([500, 204, 409, 204])
    server.answer = lambda asked: (next(answers, 200), encode(HeartbeatReply()))
    presence = Presence(uplink, info=INFO, status=_status(), spool=spool, every_s=0.01)
    presence.start()
    deeds = [server.next().path.rsplit("/", 1)[1] for _ in range(6)]
    presence.stop()
    assert deeds == ["register", "register", "heartbeat", "register", "heartbeat", "heartbeat"]


def test_a_heartbeat_says_where_the_board_stands(server, uplink, spool):
    spool.put(RUN, b"record")
    spool.put(OTHER, b"record")
    spool.reject(OTHER, "422: no")
    server.answer = lambda asked: (200, encode(HeartbeatReply()))
    presence = Presence(
        uplink, info=INFO, status=_status(gpu_max_hz=1_300_500_000), spool=spool, every_s=0.01
    )
    presence.start()
    said = decode(server.next(ending="heartbeat").body, Heartbeat)
    presence.stop()
    assert said.run_id is None
    assert said.point == OperatingPoint(gpu_max_hz=1_300_500_000)
    assert said.spooled == 1
    assert [(kept.run_id, kept.reason) for kept in said.rejected] == [(OTHER, "422: no")]


def test_a_reply_that_says_cancel_ends_that_run(server, uplink, spool):
    status = _status()
    status.begin(RUN)
    server.answer = lambda asked: (200, encode(HeartbeatReply(cancel=RUN)))
    presence = Presence(uplink, info=INFO, status=status, spool=spool, every_s=0.01)
    presence.start()
    server.next(ending="heartbeat")
    server.next(ending="heartbeat")  # the reply to the first has been read by now
    presence.stop()
    assert status.wants_end


def test_a_late_cancel_does_not_touch_the_next_run():
    status = _status()
    status.begin(OTHER)
    status.cancel(RUN)
    assert not status.wants_end


def test_the_board_is_not_read_while_a_trial_has_it(spool):
    read = []
    status = Status(lambda: read.append("point") or OperatingPoint())
    with status.board_in_use:
        status.heartbeat(spool)
    assert read == []


# Network files.

ONNX = b"graph" * 1000
SHA256 = hashlib.sha256(ONNX).hexdigest()


def test_a_network_file_is_fetched_once(server, uplink):
    server.answer = lambda asked: (200, ONNX)
    assert uplink.network_file(SHA256).read_bytes() == ONNX
    assert uplink.network_file(SHA256).read_bytes() == ONNX
    assert server.next().path == f"/api/v1/networks/{SHA256}"
    assert server.asked.empty()


def test_a_file_that_was_spoilt_in_the_cache_is_fetched_again(server, uplink):
    server.answer = lambda asked: (200, ONNX)
    uplink.network_file(SHA256).write_bytes(b"spoilt")
    assert uplink.network_file(SHA256).read_bytes() == ONNX


def test_a_file_with_another_hash_is_never_kept(server, uplink, tmp_path):
    server.answer = lambda asked: (200, b"something else")
    with pytest.raises(Unreachable, match="damaged"):
        uplink.network_file(SHA256)
    assert list((tmp_path / "networks").iterdir()) == []


def test_a_file_that_the_server_does_not_have_is_an_error(server, uplink):
    server.answer = lambda asked: (404, b"The graph has not been generated.")
    with pytest.raises(Refused, match="not been generated"):
        uplink.network_file(SHA256)
