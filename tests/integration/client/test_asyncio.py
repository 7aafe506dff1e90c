"""Calls from a program with an event loop: ``asyncio.wrap_future`` is all it takes."""

from __future__ import annotations

import asyncio

import pytest

from twilio_taskrouter_worker import RequestRejectedError
from twilio_taskrouter_worker.testing import TestBench, eventually


def test_a_call_is_awaited() -> None:
    """The result and the error of a call arrive in a running loop, which goes on meanwhile."""
    with TestBench() as bench:
        worker = bench.worker("Alice")
        bench.router.create_task()
        (reservation,) = eventually(lambda: list(worker.reservations.values()))

        async def main() -> int:
            turns = 0

            async def tick() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0.001)

            ticking = asyncio.create_task(tick())
            with bench.router.faults.http_latency(0.1):
                assert await asyncio.wrap_future(reservation.accept()) is reservation
            with pytest.raises(RequestRejectedError):
                await asyncio.wrap_future(reservation.accept())
            both = (worker.set_attributes({"n": 1}), worker.fetch_latest_version())
            assert await asyncio.gather(*map(asyncio.wrap_future, both)) == [worker, worker]
            ticking.cancel()
            return turns

        assert asyncio.run(main()) > 1
        assert reservation.status == "accepted" and worker.attributes == {"n": 1}


def test_a_wait_that_is_given_up_does_no_harm() -> None:
    """``asyncio.wait_for`` gives up the wait; the worker works on, and nothing is logged as unawaited."""
    with TestBench() as bench:
        worker = bench.worker("Alice")

        async def main() -> None:
            with bench.router.faults.http_latency(0.5):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(worker.set_attributes({"n": 1})), 0.05)

        asyncio.run(main())
        assert worker.set_attributes({"n": 2}).result(30).attributes == {"n": 2}
