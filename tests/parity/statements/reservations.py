"""Reservations: what may be asked of them, and who is offered which task when."""

from __future__ import annotations

from tests.parity.statement import Page, World

RESERVATION = Page("taskrouter/api/reservations")
MULTITASKING = Page("taskrouter/multitasking")
LIFO = Page("taskrouter/queue-ordering-last-first-out")
PAGES = (RESERVATION, MULTITASKING, LIFO)


def _status(w: World, path: str) -> str:
    return str(w.get(path)["assignment_status"])


# -- reservations ----------------------------------------------------------------------------------------------------

RESERVATION.says("A new reservation is pending.", lambda w: w.get(w.offered()[2])["reservation_status"] == "pending")
RESERVATION.says(
    "A reservation is read from its task and from its worker.",
    lambda w: (
        (offered := w.offered()) and w.get(f"{offered[0]}/Reservations")["reservations"][0]["sid"] == offered[2][-34:]
    ),
)
for _word in ("accepted", "rejected"):
    RESERVATION.says(
        f"A pending reservation can be {_word}.",
        lambda w, word=_word: (  # type: ignore[misc]
            w.post(w.offered()[2], ReservationStatus=word)["reservation_status"] == word
        ),
    )
for _word in ("wrapping", "completed"):
    RESERVATION.says(
        f"A pending reservation cannot be {_word}.",
        lambda w, word=_word: w.refused(w.offered()[2], ReservationStatus=word)[0] == 400,  # type: ignore[misc]
    )
    RESERVATION.says(
        f"An accepted reservation can be {_word}.",
        lambda w, word=_word: (  # type: ignore[misc]
            w.post(w.accepted()[2], ReservationStatus=word)["reservation_status"] == word
        ),
    )
RESERVATION.says(
    "An accepted reservation cannot be accepted again.",
    lambda w: w.refused(w.accepted()[2], ReservationStatus="accepted")[0] == 400,
)
RESERVATION.says(
    "WorkerActivitySid with a rejection moves the worker.",
    lambda w: (
        (offered := w.offered())
        and w.post(offered[2], ReservationStatus="rejected", WorkerActivitySid=w.activities["Offline"])
        and w.get(offered[0])["activity_name"] == "Offline"
    ),
)
RESERVATION.says(
    "A reservation times out after the workflow's 120 seconds, and the worker goes to the timeout activity.",
    lambda w: (
        (offered := w.offered())
        and (w.advance(119) or w.get(offered[2])["reservation_status"] == "pending")
        and (w.advance(1) or w.get(offered[2])["reservation_status"] == "timeout")
        and w.get(offered[0])["activity_name"] == "Offline"
    ),
)
RESERVATION.says(
    "The first worker who accepts gets the task; the others' reservations are rescinded.",
    lambda w: (
        w.post(f"/TaskQueues/{w.queue}", MaxReservedWorkers=2)
        and w.worker("Alice")
        and w.worker("Bob")
        and (task := w.task())
        and w.post(w.offers(task)[0], ReservationStatus="accepted")
        and len(w.offers(task, "rescinded")) == 1
    ),
)
RESERVATION.says(
    "Accepting a rescinded reservation is a 410.",
    lambda w: (
        w.post(f"/TaskQueues/{w.queue}", MaxReservedWorkers=2)
        and w.worker("Alice")
        and w.worker("Bob")
        and (task := w.task())
        and w.post(w.offers(task)[0], ReservationStatus="accepted")
        and w.refused(w.offers(task, "rescinded")[0], ReservationStatus="accepted")[0] == 410
    ),
)
RESERVATION.says(
    "Completing the only reservation completes the task.",
    lambda w: (
        (accepted := w.accepted())
        and w.post(accepted[2], ReservationStatus="completed")
        and _status(w, accepted[1]) == "completed"
    ),
)
RESERVATION.says(
    "Wrapping up the only reservation wraps up the task.",
    lambda w: (
        (accepted := w.accepted())
        and w.post(accepted[2], ReservationStatus="wrapping")
        and _status(w, accepted[1]) == "wrapping"
    ),
)
RESERVATION.says(
    "The list can be filtered by ReservationStatus.",
    lambda w: (
        (offered := w.offered()) and (w.offers(offered[1], "accepted"), len(w.offers(offered[1], "pending"))) == ([], 1)
    ),
)
RESERVATION.says(
    "The instruction call needs CallFrom and CallUrl.",
    lambda w: (
        (offer := w.offered()[2])
        and w.refused(offer, Instruction="call", CallFrom="+1")[0] == 400
        and w.refused(offer, Instruction="call", CallUrl="http://x/")[0] == 400
    ),
)
RESERVATION.says(
    "The instruction call accepts with CallAccept only.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="call", CallFrom="+1", CallUrl="http://x/")
        and (w.advance(1) or w.get(offer)["reservation_status"] == "pending")
        and w.post(offer, Instruction="call", CallFrom="+1", CallUrl="http://x/", CallAccept="true")
        and (w.advance(1) or w.get(offer)["reservation_status"] == "accepted")
    ),
)
RESERVATION.says(
    "The instruction redirect needs the call's sid and a URL.",
    lambda w: w.refused(w.offered()[2], Instruction="redirect", RedirectUrl="http://x/")[0] == 400,
)
RESERVATION.says(
    "Without DequeueTo the instruction dequeue calls the worker's contact_uri.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="dequeue")
        and (w.advance(1) or w.get(offer)["reservation_status"] == "accepted")
    ),
)
RESERVATION.says(
    "The instruction conference accepts when both are connected.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="conference")["reservation_status"] == "pending"
        and (w.advance(1) or w.get(offer)["reservation_status"] == "accepted")
    ),
)
RESERVATION.differs(
    "The instruction conference calls the worker and the customer.",
    "there is no telephony: the call counts as made at once, or as the test says.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="conference")
        and (w.advance(0) or w.get(offer)["reservation_status"] == "accepted")
    ),
    "voice_answer_delay",
)
RESERVATION.differs(
    "The instructions call and conference need somebody to call: To, or the worker's contact_uri.",
    "only dequeue asks for it; the others are accepted without anybody to call, since nobody is called.",
    lambda w: w.worker("Bob") and (task := w.task()) and w.post(w.offers(task)[0], Instruction="conference"),
)
RESERVATION.says(
    "An unknown instruction is refused.", lambda w: w.refused(w.offered()[2], Instruction="hangup")[0] == 400
)

# -- several tasks at a time -----------------------------------------------------------------------------------------

MULTITASKING.says(
    "A worker has as many reservations as the channel has capacity.",
    lambda w: (
        w.worker(capacity=3)
        and (tasks := [w.task() for _ in range(4)])
        and [len(w.offers(task)) for task in tasks] == [1, 1, 1, 0]
    ),
)
MULTITASKING.says(
    "Channels count apart.",
    lambda w: w.worker() and w.task() and len(w.offers(w.task(TaskChannel="sms"))) == 1,
)
MULTITASKING.says(
    "A wrapping reservation still takes capacity.",
    lambda w: w.post(w.accepted()[2], ReservationStatus="wrapping") and w.offers(w.task()) == [],
)
MULTITASKING.says(
    "A completed one does not.",
    lambda w: w.post(w.accepted()[2], ReservationStatus="completed") and len(w.offers(w.task())) == 1,
)
MULTITASKING.says(
    "Accepting a task does not change the worker's activity.",
    lambda w: w.get(w.accepted()[0])["activity_name"] == "Available",
)
MULTITASKING.says(
    "The worker who has been idle longest is offered the task.",
    lambda w: (
        (first := w.worker("Alice"))
        and (w.advance(5) or w.worker("Bob"))
        and w.get(w.offers(w.task())[0])["worker_sid"] == first[-34:]
    ),
)
LIFO.says(
    "Higher priority comes first.",
    lambda w: w.task(Priority=1) and (high := w.task(Priority=2)) and w.worker() and len(w.offers(high)) == 1,
)
LIFO.says(
    "Of equal priority the oldest comes first.",
    lambda w: (old := w.task()) and (w.advance(1) or w.task()) and w.worker() and len(w.offers(old)) == 1,
)
LIFO.says(
    "An earlier virtual start time comes first.",
    lambda w: (
        w.task()
        and (back := w.task(VirtualStartTime="2020-01-01T00:00:00Z"))
        and w.worker()
        and len(w.offers(back)) == 1
    ),
)
LIFO.says(
    "In a queue with TaskOrder=LIFO the newest comes first.",
    lambda w: (
        w.post(f"/TaskQueues/{w.queue}", TaskOrder="LIFO")
        and w.task()
        and (w.advance(1) or (new := w.task()))
        and w.worker()
        and len(w.offers(new)) == 1
    ),
)
