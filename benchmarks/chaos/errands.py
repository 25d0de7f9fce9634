"""The errands of a platform beside its customers: batches, customers with interests, outcomes, keys, rude requests."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import grpc
import msgspec

from benchmarks.chaos import history as h
from benchmarks.chaos.habits import INTERESTS, POOL, TEXTS
from benchmarks.chaos.load import SiteLoad
from benchmarks.chaos.rudeness import Rude
from benchmarks.chaos.wire import ANSWER_SECONDS, REFUSALS, line_to, reason_of, with_answer
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import feedback_pb2 as feedback
from matcher.v1 import keys_pb2 as keys
from matcher.v1 import routing_pb2 as pb

KEY_SECONDS: Final = 2.0
"""Every process follows a change of the keys within this time, as the API says."""
FED_SECONDS: Final = 2.0
"""After this time the ledger has a step, unless a fault keeps it."""
BATCH_MOST: Final = 8
YEAR: Final = 365 * 86_400
OUTCOMES_KEPT: Final = 200


class Errands:
    """What a platform asks of one site beside routes."""

    def __init__(self, load: SiteLoad, seed: int) -> None:
        self.load = load
        self.rng = random.Random(f"{seed} errands {load.site}")
        self.recorded: dict[str, None] = {}
        """Contacts that have an outcome."""
        self._count = 0
        self._rude = Rude(load)

    async def run(self) -> None:
        """Do errands at random until the drain."""
        kinds: tuple[Callable[[str], Coroutine[Any, Any, None]], ...] = (
            self._batch, self._batch, self._outcome, self._outcome, self._remembered, self._forgotten, self._key,
            self._rude.oversized, self._rude.half_open, self._rude.slow_reader,
        )  # fmt: skip
        while not self.load.draining:
            await asyncio.sleep(self.rng.expovariate(self.load.habits.errands))
            self._count += 1
            self.load.tasks.start(self.rng.choice(kinds)(f"{self.load.site}-e{self._count}"))

    async def _batch(self, name: str) -> None:
        """Route several messages in one call, and repeat the call until it is answered."""
        load, rng = self.load, self.rng
        requests = []
        for number in range(rng.randint(2, BATCH_MOST)):
            request = pb.RouteMessageRequest(
                pool=load.name("pools", POOL), contact_id=f"{name}-{number}", request_id=f"r-{name}-{number}",
                message=pb.Message(text=rng.choice(TEXTS), channel="chat"), wait=True,
            )  # fmt: skip
            request.wait_duration.FromMilliseconds(round(load.habits.wait * 1000))
            requests.append(request)
        left = {request.contact_id: request for request in requests}
        end = time.time() + load.habits.wait
        while left and time.time() < end:
            for record in await self._batch_once(list(left.values())):
                if record.ending != h.UNKNOWN:
                    request = left.pop(record.contact)
                    if record.ending == h.OK:
                        load.tasks.start(load.settle(request, record))
            await asyncio.sleep(rng.uniform(0.05, 0.3))

    async def _batch_once(self, requests: list[pb.RouteMessageRequest]) -> list[h.Call]:
        """Make one attempt for all requests; return a record for each, as if each had been a call of its own."""
        load = self.load
        asked = [
            load.asked(
                "route", request=request.request_id, contact=request.contact_id, pool=POOL, channel="chat",
                wait=load.habits.wait,
            )
            for request in requests
        ]  # fmt: skip
        line, began = self.rng.choice(load.wire.lines), time.time()
        answer, ending, reason = pb.RouteMessagesResponse(), h.OK, ""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await line.routing.RouteMessages(
                    pb.RouteMessagesRequest(parent=load.parent, requests=requests)
                )
        except grpc.aio.AioRpcError as error:
            ending, reason = (h.REFUSED if error.code() in REFUSALS else h.UNKNOWN), reason_of(error)
        except TimeoutError:
            ending, reason = h.UNKNOWN, "NO_ANSWER"
        results = {result.contact_id: result for result in answer.results}
        records = []
        for one in asked:
            ended = msgspec.structs.replace(
                one, replica=line.replica, began=began, ended=time.time(), ending=ending, reason=reason
            )
            result = results.get(one.contact)
            if result is not None and result.HasField("response"):
                ended = with_answer(ended, result.response)
            elif ending == h.OK:
                ending_of, reason_of_it = _failed(result)
                ended = msgspec.structs.replace(ended, ending=ending_of, reason=reason_of_it)
            load.wire.history.add(ended)
            records.append(ended)
        return records

    async def _outcome(self, _: str) -> None:
        """Record an outcome of a contact, and sometimes another one that corrects it."""
        load, rng = self.load, self.rng
        contact = next((one for one in reversed(load.acknowledged) if one not in self.recorded), "")
        if not contact or len(self.recorded) >= OUTCOMES_KEPT:
            return
        self.recorded[contact] = None
        for _number in range(1 if rng.random() < 0.7 else 2):
            csat = rng.randint(1, 5)
            outcome = feedback.Outcome(source="survey", csat=csat)
            asked = feedback.RecordOutcomeRequest(contact=load.name("contacts", contact), outcome=outcome)
            await load.wire.insist(
                lambda line, asked=asked: line.feedback.RecordOutcome(asked),  # type: ignore[misc]
                load.asked("outcome", contact=contact, outcome=f"csat={csat}"),
            )

    async def read_outcomes(self) -> None:
        """Read what is kept of the recorded outcomes, when all is over."""
        for contact in self.recorded:
            request = feedback.GetOutcomesRequest(contact=self.load.name("contacts", contact))
            await self.load.wire.insist(
                lambda line, request=request: line.feedback.GetOutcomes(request),  # type: ignore[misc]
                self.load.asked("read outcomes", contact=contact),
            )

    async def _put(self, handle: str) -> None:
        now, interest = int(time.time()), self.rng.choice(INTERESTS)
        customer = customers.Customer(handles=[handle], interests=[customers.CustomerInterest(text=interest)])
        customer.consent.basis = "asked in chat"
        customer.consent.time.FromSeconds(now - 60)
        customer.consent.expire_time.FromSeconds(now + YEAR)
        request = customers.PutCustomerRequest(parent=self.load.parent, customer=customer)
        await self.load.wire.insist(
            lambda line: line.customers.PutCustomer(request),
            self.load.asked("put customer", request=handle, outcome=interest),
        )

    async def _look_up(self, handle: str) -> None:
        request = customers.LookupCustomerRequest(parent=self.load.parent, handle=handle)
        await self.load.wire.insist(
            lambda line: line.customers.LookupCustomer(request), self.load.asked("look up customer", request=handle)
        )

    async def _remembered(self, name: str) -> None:
        """Put a customer twice, and read after each time what is remembered."""
        for _ in range(2):
            await self._put(f"{name}@example.com")
            await self._look_up(f"{name}@example.com")

    async def _forgotten(self, name: str) -> None:
        """Serve a customer, forget the customer, and look for what is left."""
        load, handle, contact = self.load, f"{name}@example.com", f"visit-{name}"
        await self._put(handle)
        request = pb.RouteMessageRequest(
            parent=load.parent, pool=load.name("pools", POOL), contact_id=contact, request_id=f"r-{contact}",
            message=pb.Message(text=self.rng.choice(TEXTS), customer=handle), auto_accept=True,
        )  # fmt: skip
        asked = load.asked("visit", request=handle, contact=contact)
        answer, _ = await load.wire.insist(lambda line: line.routing.RouteMessage(request), asked)
        if answer is not None and answer.WhichOneof("outcome") == "reservation":
            complete = pb.CompleteReservationRequest(name=answer.reservation.name)
            await load.wire.insist(
                lambda line: line.routing.CompleteReservation(complete), load.asked("visit ends", request=handle)
            )
        await asyncio.sleep(self.rng.choice((0.0, FED_SECONDS)))  # the ledger has the contact, or has it not yet
        forget = customers.ForgetCustomerRequest(parent=load.parent, handle=handle, force=True)
        await load.wire.insist(
            lambda line: line.customers.ForgetCustomer(forget),
            load.asked("forget customer", request=handle, contact=contact),
        )
        await self._look_up(handle)
        read = pb.GetContactRequest(name=load.name("contacts", contact))
        await load.wire.insist(
            lambda line: line.routing.GetContact(read), load.asked("look for visit", request=handle, contact=contact)
        )

    async def _key(self, name: str) -> None:
        """Make a key, call with it, revoke it, and call with it again, at every replica."""
        load = self.load
        grant = keys.Grant(role=keys.ROLE_PLATFORM, sites=[load.parent])
        create = keys.CreateKeyRequest(principal=name, grants=[grant])
        made, _ = await load.wire.insist(lambda line: line.keys.CreateKey(create), load.asked("make key", agent=name))
        if made is None:
            return
        lines = [line_to(number, address, made.text) for number, address in enumerate(load.wire.addresses)]
        try:
            await asyncio.sleep(KEY_SECONDS)
            request = pb.ListContactsRequest(parent=load.parent, page_size=1)
            for line in lines:
                await load.wire.once(
                    lambda line: line.routing.ListContacts(request), load.asked("with key", agent=name), line
                )
            revoke = keys.RevokeKeyRequest(principal=name)
            await load.wire.insist(lambda line: line.keys.RevokeKey(revoke), load.asked("revoke key", agent=name))
            for _ in range(3):
                await asyncio.sleep(1.5)
                for line in lines:
                    await load.wire.once(
                        lambda line: line.routing.ListContacts(request), load.asked("with key", agent=name), line
                    )
        finally:
            await asyncio.gather(*(line.channel.close() for line in lines))


def _failed(result: pb.RouteMessagesResult | None) -> tuple[str, str]:
    """Return ending and code of a message of a batch that has no answer."""
    if result is None:
        return h.UNKNOWN, "INTERNAL"
    codes = {code.value[0]: code for code in grpc.StatusCode}
    code = codes.get(result.status.code, grpc.StatusCode.UNKNOWN)
    return (h.REFUSED if code in REFUSALS else h.UNKNOWN), code.name
