"""The recording bridge, over real sockets, with requests and websocket-client as its clients."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import websocket

from tests.oracle.bridge import RecordingBridge, frame
from tests.tools import payloads
from tests.tools.answers import Act, Call, Drip, Hang, Reply, Reset
from tests.tools.wait import no_leftover_sockets, no_leftover_threads

WORKSPACE = "Workspaces/WS0eff317b7980fdf60561d4668aa02c69"
WORKER = f"{WORKSPACE}/Workers/WK96933bd91c5998568933ac2ad49705b8"

Post = Callable[..., requests.Response]


@pytest.fixture
def bridge() -> Iterator[RecordingBridge]:
    """Give a bridge without heartbeats."""
    with RecordingBridge() as bridge:
        yield bridge


@pytest.fixture
def post(bridge: RecordingBridge) -> Iterator[Post]:
    """Give a function that makes one tunnelled call over a kept connection."""
    with requests.Session() as session:
        session.trust_env = False

        def post(url: str, method: str = "GET", params: Any = None, *, timeout: float = 30, **headers: str) -> Any:
            body = json.dumps({"url": url, "method": method, "params": params or {}, "token": "a.b.c"})
            sent = {
                "clientVersion": "1.2.3",
                "apiVersion": "v1",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            }
            return session.post(bridge.eb_server, data=body, headers=sent, timeout=timeout)

        yield post


class Client:
    """A websocket client that closes its socket at the end of the block."""

    def __init__(self, bridge: RecordingBridge, query: str = "token=t&closeExistingSessions=false") -> None:
        self._url = f"{bridge.ws_server}?{query}"

    def __enter__(self) -> websocket.WebSocket:
        self._socket = websocket.create_connection(self._url, timeout=30)
        return self._socket

    def __exit__(self, *exc_info: object) -> None:
        self._socket.shutdown()


def event(client: websocket.WebSocket) -> tuple[str, Any]:
    """Return type and payload of the next event."""
    message = json.loads(client.recv())
    return message["event_type"], message["payload"]


# -- websockets ------------------------------------------------------------------------------------------------------


def test_a_websocket_is_recorded_and_gets_init(bridge: RecordingBridge) -> None:
    """A connection's query is kept in order, and ``init`` comes first."""
    with Client(bridge, "token=a%2Bb&closeExistingSessions=true&clientVersion=1&setWorkerOffline=") as client:
        assert event(client) == ("init", payloads.event("init"))
        connection = bridge.wait_for_connection()
        assert [name for name, _ in connection.query] == [
            "token", "closeExistingSessions", "clientVersion", "setWorkerOffline",
        ]  # fmt: skip
        assert connection.params["token"] == "a+b"
        assert connection.query_string.startswith("token=a%2Bb&")
        assert connection.headers["upgrade"] == "websocket"
        assert connection.is_open and connection.close_code is None


@pytest.mark.parametrize("lifetime", [None, 7000])
def test_the_token_lifetime_is_chosen(lifetime: int | None) -> None:
    """``init`` has the given lifetime, or none."""
    with RecordingBridge(token_lifetime=lifetime) as bridge, Client(bridge) as client:
        assert event(client)[1].get("token_lifetime") == lifetime


def test_init_can_be_held(bridge: RecordingBridge) -> None:
    """Held, ``init`` does not come; released, it goes once to each that waits."""
    bridge.hold_init()
    with Client(bridge) as client:
        bridge.wait_for_connection()
        bridge.send("first")
        bridge.release_init()
        bridge.release_init()
        bridge.send("last")
        assert [event(client)[0] for _ in range(3)] == ["first", "init", "last"]


def test_frames_are_sent_as_they_are(bridge: RecordingBridge) -> None:
    """Text, binary, bytes that are not UTF-8, fragments and heartbeats reach the client unchanged and in order."""
    with Client(bridge) as first, Client(bridge) as second:
        event(first)
        event(second)
        bridge.wait_for_connection(2)
        bridge.send_raw("{not json", to=bridge.connections[0])
        bridge.send_raw(b"\x00\x01", binary=True, to=bridge.connections[0])
        bridge.send_raw(b"\xff", to=bridge.connections[0])
        bridge.send_wire(frame(1, b"ab", final=False) + frame(0, b"c"), to=bridge.connections[0])
        bridge.send_raw("x" * 70_000, to=bridge.connections[0])
        bridge.send("to.all", {"a": 1})
        assert first.recv_data() == (1, b"{not json")
        assert first.recv_data() == (2, b"\x00\x01")
        received = first.recv_frame()
        assert (received.opcode, received.data) == (1, b"\xff")
        assert first.recv_data() == (1, b"abc")
        assert len(first.recv()) == 70_000
        assert event(first) == event(second) == ("to.all", {"a": 1})
        bridge.beat(to=bridge.connections[1])
        assert second.recv() == ""


def test_heartbeats_come_at_their_interval(bridge: RecordingBridge) -> None:
    """Blank frames come until they are switched off."""
    with Client(bridge) as client:
        event(client)
        bridge.heartbeat(0.01)
        assert [client.recv() for _ in range(3)] == ["", "", ""]
        bridge.heartbeat(None)
        bridge.send("end")
        while not (last := client.recv()):
            pass
        assert json.loads(last)["event_type"] == "end"


def test_pings_pongs_and_messages_are_recorded(bridge: RecordingBridge) -> None:
    """Both sides' pings are answered, and what the client sends is kept."""
    with Client(bridge) as client:
        event(client)
        bridge.ping(b"beat")
        client.send("hello")
        client.ping(b"mine")
        assert client.recv_data_frame(control_frame=True)[1].data == b"beat"
        assert client.recv_data_frame(control_frame=True)[1].data == b"mine"
        connection = bridge.connections[0]
        bridge.wait_for(lambda: connection.messages and connection.pongs)
        assert (connection.messages, connection.pongs) == (["hello"], [b"beat"])


def test_an_abort_is_a_reset(bridge: RecordingBridge) -> None:
    """Aborting resets every websocket."""
    with Client(bridge) as client:
        event(client)
        bridge.abort()
        with pytest.raises(ConnectionResetError):
            client.recv()
        closed = bridge.wait_for_close()
        assert (closed.close_code, closed.closed_by, closed.is_open) == (1006, "bridge", False)
        with pytest.raises(RuntimeError, match="no websocket is open"):
            bridge.send("too.late")


@pytest.mark.parametrize(("code", "reason"), [(4001, "session ended"), (None, "")])
def test_the_bridge_closes(bridge: RecordingBridge, code: int | None, reason: str) -> None:
    """A close frame carries the code and reason asked for, or neither."""
    with Client(bridge) as client:
        event(client)
        bridge.close(code, reason)
        opcode, data = client.recv_data(control_frame=True)
        assert (opcode, data) == (8, b"" if code is None else code.to_bytes(2, "big") + reason.encode())
        assert bridge.wait_for_close().closed_by == "bridge"


@pytest.mark.parametrize(("wire", "code", "reason"), [(b"", 1005, ""), (b"\x03\xe8bye", 1000, "bye")])
def test_the_client_closes(bridge: RecordingBridge, wire: bytes, code: int, reason: str) -> None:
    """The client's close code and reason are recorded, 1005 standing for a close frame without a code."""
    with Client(bridge) as client:
        event(client)
        client.send(wire, websocket.ABNF.OPCODE_CLOSE)
        closed = bridge.wait_for_close()
        assert (closed.close_code, closed.close_reason, closed.closed_by) == (code, reason, "client")


def test_a_client_that_vanishes_is_noticed(bridge: RecordingBridge) -> None:
    """A socket closed without a close frame counts as 1006 by the client."""
    with Client(bridge) as client:
        event(client)
    closed = bridge.wait_for_close()
    assert (closed.close_code, closed.closed_by) == (1006, "client")


def test_handshakes_are_refused(bridge: RecordingBridge) -> None:
    """A refusal has its status and headers, is recorded apart, and ends after so many."""
    bridge.refuse_handshake(429, {"message": "slow down"}, {"Retry-After": "7"}, times=1)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(bridge.ws_server, timeout=30)
    assert refused.value.status_code == 429
    assert (refused.value.resp_headers or {})["retry-after"] == "7"
    assert bridge.wait_for_refusal().path == "/v1/wschannels"
    with Client(bridge) as client:
        assert event(client)[0] == "init"
    bridge.refuse_handshake(503)
    bridge.accept_handshake()
    with Client(bridge) as client:
        assert event(client)[0] == "init"
        assert len(bridge.connections) == 2


def test_handshakes_hang(bridge: RecordingBridge) -> None:
    """A hanging handshake gets no byte until it is released, by a reset."""
    bridge.hang_handshake(times=1)
    with pytest.raises(websocket.WebSocketTimeoutException):
        websocket.create_connection(bridge.ws_server, timeout=0.05)
    bridge.wait_for_refusal()
    bridge.release()
    with Client(bridge) as client:
        assert event(client)[0] == "init"


def test_another_path_has_no_bridge(bridge: RecordingBridge) -> None:
    """A websocket on another path is refused with 404."""
    with pytest.raises(websocket.WebSocketBadStatusException, match="404"):
        websocket.create_connection(f"ws://127.0.0.1:{bridge.port}/other", timeout=30)


# -- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_is_recorded_exactly(bridge: RecordingBridge, post: Post) -> None:
    """What was sent is kept as sent: headers, key order, types of parameters, the raw body, the connection."""
    params = {"Attributes": {"a": [1, True, None]}, "PageSize": 1000}
    post(WORKER, "POST", params, If_Match="41")
    post(WORKER)
    call = bridge.wait_for_answer(WORKER, method="POST")
    assert (call.url, call.method, call.params, call.token) == (WORKER, "POST", params, "a.b.c")
    assert call.keys == ["url", "method", "params", "token"]
    assert (call.api_version, call.client_version, call.if_match) == ("v1", "1.2.3", "41")
    assert ("clientVersion", "1.2.3") in call.raw_headers
    assert json.loads(call.raw) == call.document
    assert (call.http_method, call.path, call.outcome) == ("POST", "/v1/wschannels", 200)
    assert bridge.calls[1].peer == call.peer


def test_invalid_tunnelled_calls_are_refused_and_recorded(bridge: RecordingBridge) -> None:
    """A body that is not JSON gets 400, another path or method 404, and all of them are recorded."""
    assert requests.post(bridge.eb_server, data=b"{", timeout=30).status_code == 400
    assert requests.post(bridge.eb_server, data=b"[1]", timeout=30).status_code == 400
    assert requests.get(f"http://127.0.0.1:{bridge.port}/elsewhere?a=1", timeout=30).status_code == 404
    assert [(call.url, call.method, call.keys) for call in bridge.calls] == [("", "", [])] * 3
    assert bridge.calls[2].query == [("a", "1")]


def test_scripts_answer_in_order_and_then_give_way(bridge: RecordingBridge, post: Post) -> None:
    """A list answers one call each, in every short form, and after it the bridge answers by itself."""
    rule = bridge.on_call(r"Activities$", [503, None, (502, "<html>"), (429, {"message": "m"}, {"Retry-After": "1"})])
    first, second, third, fourth, fifth = (post(f"{WORKSPACE}/Activities") for _ in range(5))
    assert (first.status_code, first.json()) == (503, {"message": "Scripted status 503"})
    assert second.json()["payload"]["total"] == fifth.json()["payload"]["total"] == 3
    assert (third.status_code, third.text, third.headers["content-type"]) == (502, "<html>", "text/html; charset=utf-8")
    assert (fourth.status_code, fourth.headers["Retry-After"]) == (429, "1")
    assert rule.calls == bridge.calls[:4]


def test_the_newest_rule_goes_first(bridge: RecordingBridge, post: Post) -> None:
    """Rules stack; each can be limited to a method and a number, and be taken away."""
    bridge.on_call("Workers", 500)
    bridge.on_call("Workers", {"mine": 1}, method="POST", times=1)
    last = bridge.on_call(lambda call: call.params.get("Odd") == 1, Reply(204))
    assert post(WORKER, "POST", {"Odd": 1}).status_code == 204
    last.remove()
    assert post(WORKER, "POST", {"Odd": 1}).json() == {"payload": {"mine": 1}}
    assert post(WORKER, "POST").status_code == post(WORKER).status_code == 500


def test_a_callable_may_send_events_before_the_answer(bridge: RecordingBridge, post: Post) -> None:
    """A callable runs with the call, off the bridge's thread, so it may use the bridge and wait."""
    seen: list[Call] = []

    def respond(call: Call) -> dict[str, str]:
        seen.append(call)
        bridge.send("task.updated", {"early": True})
        return {"thread": threading.current_thread().name}

    bridge.on_call("Tasks$", respond)
    with Client(bridge) as client:
        event(client)
        assert post(f"{WORKSPACE}/Tasks", "POST").json()["payload"]["thread"].startswith("tool-bridge-script")
        assert event(client) == ("task.updated", {"early": True})
    assert seen == bridge.calls


def test_an_unknown_response_is_a_server_error(bridge: RecordingBridge, post: Post) -> None:
    """A script that makes no sense shows as status 500 rather than as silence."""
    bridge.on_call("Activities", 3.14)
    assert post(f"{WORKSPACE}/Activities").status_code == 500


def test_resets_come_before_or_in_the_answer(bridge: RecordingBridge, post: Post) -> None:
    """A reset may come at once, or after part of an answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    bridge.on_call("Activities", [Reset(), Reset(after=head)])
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        post(f"{WORKSPACE}/Activities")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        post(f"{WORKSPACE}/Activities")
    assert [call.outcome for call in bridge.calls] == ["reset", "reset"]


def test_an_answer_can_be_lost_or_late(bridge: RecordingBridge, post: Post) -> None:
    """The change is made even where its answer is lost; a delay holds the answer back."""
    bridge.on_call(WORKER, [Act(lose=True), Act(delay=0.05)])
    with pytest.raises(requests.ConnectionError):
        post(WORKER, "POST", {"Attributes": {"changed": 1}})
    start = time.monotonic()
    assert json.loads(post(WORKER).json()["payload"]["attributes"]) == {"changed": 1}
    assert time.monotonic() - start >= 0.05


def test_calls_hang_until_released(bridge: RecordingBridge, post: Post) -> None:
    """A hanging call times out or, released before, gets the bridge's own answer; half an answer ends in a reset."""
    bridge.on_call("Activities", [Hang(), Hang(), Hang(after_headers=True)])
    with pytest.raises(requests.ReadTimeout):
        post(f"{WORKSPACE}/Activities", timeout=0.05)
    assert bridge.wait_for_call("Activities").outcome is None
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(post(f"{WORKSPACE}/Activities").status_code)
        except requests.RequestException as error:
            answers.append(type(error))

    for n in (2, 3):
        asking = threading.Thread(target=ask)
        asking.start()
        bridge.wait_for_call("Activities", n=n)
        bridge.release()
        asking.join(30)
    assert answers == [200, requests.exceptions.ChunkedEncodingError]


def test_a_body_drips(bridge: RecordingBridge, post: Post) -> None:
    """A dripping body arrives whole but slowly, whether scripted or the bridge's own."""
    bridge.on_call("Activities", [Drip({"payload": 1}, interval=0.01, size=4), Drip(interval=0.001, size=300)])
    start = time.monotonic()
    assert post(f"{WORKSPACE}/Activities").json() == {"payload": 1}
    # Fourteen bytes are four pieces with three intervals between them.
    assert time.monotonic() - start >= 0.029
    assert post(f"{WORKSPACE}/Activities").json()["payload"]["total"] == 3


def test_redirects_are_followed_to_where_it_shows(bridge: RecordingBridge, post: Post) -> None:
    """A redirect's target is recorded if the client goes there."""
    bridge.on_call("Activities", Reply(307, headers={"Location": f"http://127.0.0.1:{bridge.port}/elsewhere"}), times=1)
    post(f"{WORKSPACE}/Activities")
    assert [call.path for call in bridge.calls] == ["/v1/wschannels", "/elsewhere"]


def test_reservations_are_announced(bridge: RecordingBridge, post: Post) -> None:
    """A reservation added and changed through the bridge is in its list and heard of as events."""
    with Client(bridge) as client:
        event(client)
        created = bridge.add_reservation(announce=True)
        assert event(client) == ("reservation.created", created)
        path = f"{WORKER}/Reservations/{created['sid']}"
        assert post(path, "POST", {"ReservationStatus": "wrapping"}).json()["payload"]["version"] == 1
        wrapping = bridge.change_reservation(created["sid"], "wrapping")
        assert event(client) == ("reservation.wrapup", wrapping)
        assert (wrapping["version"], wrapping["task"]["assignment_status"]) == (1, "wrapping")
        bridge.change_reservation(created["sid"], "completed", announce=False)
    assert post(f"{WORKER}/Reservations", params={"Active": "true"}).json()["payload"]["contents"] == []


# -- waiting and ending ----------------------------------------------------------------------------------------------


def test_waiting_for_the_impossible_says_what_it_saw(bridge: RecordingBridge, post: Post) -> None:
    """A wait that fails raises after its deadline and lists what the bridge saw."""
    with pytest.raises(AssertionError, match="websocket 1 did not happen within 0.01 s\nthe bridge saw nothing"):
        bridge.wait_for_connection(timeout=0.01)
    post(WORKER)
    with Client(bridge), pytest.raises(AssertionError, match=f"(?s)websocket: open.*GET {WORKER} -> 200"):
        bridge.wait_for_call("Nothing", timeout=0.01)


def test_nothing_is_left() -> None:
    """Leaving the bridge with websockets open and calls that hang, drip and run scripts leaves nothing behind."""
    gate = threading.Event()
    with no_leftover_sockets(), no_leftover_threads(ignore=()):
        with RecordingBridge(heartbeat=0.01) as bridge:
            bridge.on_call("hang", Hang())
            bridge.on_call("half", Hang(after_headers=True))
            bridge.on_call("drip", Drip({"a": "b" * 1000}))
            bridge.on_call("script", lambda call: gate.wait(0.1))
            asking = [
                threading.Thread(target=_ask_in_vain, args=(bridge.eb_server, url))
                for url in ("hang", "half", "drip", "script")
            ]
            for each in asking:
                each.start()
            client = websocket.create_connection(bridge.ws_server, timeout=30)
            bridge.wait_for(lambda: len(bridge.calls) == 4)
            start = time.monotonic()
        assert time.monotonic() - start < 10
        client.shutdown()
        for each in asking:
            each.join(30)


def test_connections_made_while_it_stops_are_closed() -> None:
    """A peer that connects until the last moment leaves no socket: asyncio warns of each that nobody closed."""
    for _ in range(3):
        busy = threading.Event()

        def connect(port: int, busy: threading.Event = busy) -> None:
            made: list[socket.socket] = []
            try:
                while True:
                    made.append(socket.create_connection(("127.0.0.1", port), timeout=30))
                    if len(made) >= 20:
                        busy.set()
                        made.pop(0).close()
            except OSError:
                for each in made:
                    each.close()

        with RecordingBridge() as bridge:
            peer = threading.Thread(target=connect, args=(bridge.port,), name="tool-peer")
            peer.start()
            assert busy.wait(30)
        peer.join(30)
        assert not peer.is_alive()
        gc.collect()


def _ask_in_vain(url: str, path: str) -> None:
    try:
        requests.post(url, json={"url": path, "method": "GET", "params": {}}, timeout=30)
    except requests.RequestException:
        pass
