"""Coming back after a while: what ended meanwhile is looked up, and each look-up brings the worker nearer to ready."""

from __future__ import annotations

from collections import Counter

from tests.integration.client.event_recorder import EventRecorder, connected, new_worker
from tests.oracle.bridge import RecordingBridge
from twilio_taskrouter_worker import InitializationError
from twilio_taskrouter_worker._bridge.reload import LOOK_UPS_AT_ONCE


def test_many_reservations_that_ended_while_away(bridge: RecordingBridge) -> None:
    """Each end is announced once, though some look-ups fail at first; what was found is not asked for again."""
    number = 2 * LOOK_UPS_AT_ONCE + 10
    sids = [bridge.add_reservation()["sid"] for _ in range(number)]
    with connected(bridge) as (worker, recorder):
        own = {sid: EventRecorder(worker.reservations[sid]) for sid in sids}
        bridge.refuse_handshake(503)
        bridge.abort()
        recorder.wait_for("reconnecting", 2)
        for sid in sids:
            bridge.change_reservation(sid, "canceled", announce=False)
        failed = sids[3:8]
        for sid in failed:
            bridge.on_call(f"Reservations/{sid}", [500])
        bridge.accept_handshake()
        recorder.wait_for("ready", 2, timeout=30)
        assert {tuple(each.names()) for each in own.values()} == {("canceled",)}
        assert not worker.reservations
        asked = Counter(sid for sid in sids for call in bridge.calls if call.url.endswith(f"Reservations/{sid}"))
    assert {asked[sid] for sid in failed} == {2}
    assert {asked[sid] for sid in sids if sid not in failed} == {1}


def test_a_sid_that_no_path_can_have(bridge: RecordingBridge) -> None:
    """Where ``init`` names the worker so, reading its lists fails, is reported, and is tried again."""
    bridge.init["channel_id"] = ".."
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    worker.start()
    assert isinstance(recorder.wait_for("error", 2, timeout=30), InitializationError)
    worker.disconnect()
