"""Program that makes tests/data/records_before.json: the records and the answers of a checkout's service.

    python -m tests.store.record_fixture TREE COMMIT

It starts the service of the checkout TREE on a store of its own, makes at least one record of every kind through the
API, reads all that it made, kills the service and copies the store as `tests/store/records.py` describes. Run it again
only if the fixture is to show the records of another commit. The fixture of a release that people still run stays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import ROOT, Store, start_server
from tests.store.records import clock_ms, copy_of, relative

FIXTURE: Final = ROOT / "tests" / "data" / "records_before.json"
SITE: Final = "harbour"
NEW_IN_POOLS: Final = {
    "when_overloaded": "WHEN_OVERLOADED_REFUSE",
    "return_within_duration": "900s",
    "profile_weight": 1.0,
    "scorer_serving": "packaged",
}
HOUR: Final = timedelta(hours=1)

BEES: Final = "The smoker for my bees arrived with a dent."
CELLO: Final = "My cello case has a broken lock."
SILENCE: Final = "I would rather sit in silence than call again."
TRAINS: Final = "I missed the steam train, and my photographs with it."
WATCHES: Final = "My pocket watch stopped at noon."

POOLS: Final = ("desk", "quiet")
CONTACTS: Final = ("handed-on", "missed", "offered", "resting", "served", "talking", "waiting", "wrapping")
ENDED: Final = ("served", "wrapping")
"""The contacts whose steps can be watched to an end."""


async def populate(client: MatcherClient) -> None:
    """Make a site with records of every kind. The contact `brief` wraps up for seconds only, so it is the last."""
    await _hire_everybody(client)
    await _serve_ann(client)

    await client.route(BEES, **offered())
    await client.route(TRAINS, **talking())

    answer = await client.route(TRAINS, **waiting())
    await client.decline(answer.reservation.name, reason="no timetable of that line", retry_after=HOUR)
    await client.set_agent_status("uma", roster.AWAY)

    wrapping = await client.route(SILENCE, pool="desk", contact_id="wrapping", required_skills={"calm": 1})
    await client.accept(wrapping.reservation.name)
    await client.complete(wrapping.reservation.name)

    await client.route(CELLO, pool="desk", contact_id="handed-on", required_skills={"post": 1}, auto_accept=True)
    await client.transfer("handed-on", **handed_on())

    await client.route(BEES, pool="quiet", contact_id="missed", required_skills={"eaves": 1})
    resting = await client.route(BEES, pool="quiet", contact_id="resting", auto_accept=True)
    await client.beat_agent("eva", ttl=HOUR)
    await client.beat_agent("gus", ttl=timedelta(seconds=1))

    async def time_has_passed() -> bool:
        rests = (await client.reservation(resting.reservation.name)).HasField("idle_since")
        missed = (await client.contact("missed")).sequence == 2
        return rests and missed and (await client.agent("gus")).status == roster.AWAY

    await wait_until(time_has_passed, "a conversation rests, an offer and a heartbeat are missed")

    brief = await client.route(WATCHES, pool="counter", contact_id="brief", auto_accept=True)
    await client.route(WATCHES, pool="counter", contact_id="next", wait=True)
    await client.complete(brief.reservation.name)


def offered() -> dict[str, Any]:
    """Return the answer to the contact whose offer is not accepted yet."""
    skills = {"honey": 50}
    return {"pool": "desk", "contact_id": "offered", "request_id": "r-1", "required_skills": skills, "wait": True}


def talking() -> dict[str, Any]:
    """Return the answer to the contact whose conversation goes on."""
    skills = {"timetables": 80}
    return {
        "pool": "desk",
        "contact_id": "talking",
        "request_id": "r-2",
        "required_skills": skills,
        "customer": "bob",
        "auto_accept": True,
    }


def waiting() -> dict[str, Any]:
    """Return the answer to the contact that waits."""
    skills = {"timetables": 30}
    return {
        "pool": "desk",
        "contact_id": "waiting",
        "request_id": "r-3",
        "required_skills": skills,
        "language": "en",
        "language_expires": HOUR,
        "wait": True,
    }


def handed_on() -> dict[str, Any]:
    """Return the transfer of the contact that its agent still holds."""
    return {"agent": "zoe", "request_id": "r-4", "wait": True}


async def _hire_everybody(client: MatcherClient) -> None:
    hour = Duration(seconds=3600)
    desk = roster.Pool(
        display_name="The desk",
        offer_duration=hour,
        wrap_up_duration=hour,
        wait_duration=Duration(seconds=12 * 3600),
        affinity_floor=0.2,
        affinity_tolerance=0.05,
        wait_weight=0.02,
        head_start=Duration(seconds=60),
        max_missed=5,
        relationship_duration=Duration(seconds=30 * 86_400),
    )
    counter = roster.Pool(wrap_up_duration=Duration(seconds=5), affinity_floor=0.2, affinity_tolerance=0.05)
    quiet = roster.Pool(affinity_floor=0.2, affinity_tolerance=0.05)
    quiet.offer_duration.FromSeconds(1)
    quiet.idle_duration.FromSeconds(1)
    names = {
        name: (await client.create_pool(name, pool)).name
        for name, pool in (("counter", counter), ("desk", desk), ("quiet", quiet))
    }
    desk_only, default = [names["desk"]], client.name("pools", "default")
    people = {
        "bea": person("I keep honey bees.", "I bake with honey.", pools=desk_only, display_name="Bea Ölund"),
        "dan": person("I mend fishing nets.", pools=desk_only, status=roster.DRAINING),
        "eva": person("I play the cello.", pools=desk_only),
        "gus": person("I carve spoons.", pools=desk_only),
        "ivo": person("I repair mechanical watches.", pools=[names["counter"]]),
        "kim": person("I sort stamps by country.", pools=desk_only),
        "ola": person("I write letters by hand.", pools=[*desk_only, default], status=roster.OFFLINE),
        "pia": person("I watch the swallows.", pools=[names["quiet"]]),
        "rik": person("I keep honey bees on the roof.", pools=[names["quiet"]]),
        "tom": person("I photograph steam trains.", pools=desk_only),
        "uma": person("I collect railway timetables.", pools=desk_only),
        "zoe": person("I sit in silence.", pools=desk_only),
    }
    can = {
        "bea": {"honey": 80, "law": 3},
        "eva": {"music": 100},
        "kim": {"post": 60},
        "pia": {"eaves": 10},
        "tom": {"timetables": 90},
        "uma": {"timetables": 40},
        "zoe": {"calm": 70},
    }
    for name, skills in can.items():
        people[name].skills.extend(roster.Skill(skill=skill, level=level) for skill, level in skills.items())
    for name in ("bea", "tom", "uma"):
        people[name].languages.extend(["en", "de-AT"])
    people["eva"].capacity.CopyFrom(
        roster.Capacity(
            total=100,
            channels=[
                roster.ChannelCapacity(channel="chat", cost=30, max=3),
                roster.ChannelCapacity(channel="voice", cost=100, max=1),
            ],
        )
    )
    await hire(client, people)


async def _serve_ann(client: MatcherClient) -> None:
    """Let eva serve a customer well and kim serve the same customer badly, under handles that are joined afterwards."""
    for contact, customer, skill, resolved in (("served", "ann@mail", "music", True), ("", "ann-phone", "post", False)):
        skills = {skill: 1}
        answer = await client.route(
            CELLO, pool="desk", contact_id=contact, customer=customer, required_skills=skills, auto_accept=True
        )
        await client.complete(answer.reservation.name, resolved=resolved)
        await client.complete(answer.reservation.name)
    await client.link_customer("ann@mail", "ann-phone")


def _with_sources(candidate: dict[str, Any]) -> dict[str, Any]:
    reasons = [reason | {"source": "REASON_SOURCE_MESSAGE"} for reason in candidate.get("reasons", ())]
    return candidate | ({"reasons": reasons} if reasons else {})


def with_new_fields(earlier: dict[str, Any]) -> dict[str, Any]:
    """Return the earlier answers with the fields that pools, reasons and wrap-ups have got since.

    A contact that read QUEUED without a place in the queue is RETURNED.
    """

    def now(name: str, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("state") == "CONTACT_QUEUED" and "queued" not in answer:
            return answer | {"state": "CONTACT_RETURNED"}
        if answer.get("state") == "WRAPPING":
            return answer | {"ends_as": "COMPLETED"}
        if "/decisions/" in name:
            return answer | {"candidates": [_with_sources(one) for one in answer["candidates"]]}
        return answer | NEW_IN_POOLS if "/pools/" in name else answer

    return {name: now(name, answer) for name, answer in earlier.items()}


async def answers(client: MatcherClient, instant_ms: int) -> dict[str, Any]:
    """Read all that was made, except the agent at the counter, who changes meanwhile.

    The answers' times are relative to an instant.
    """
    said: dict[str, Message] = {f"listed {agent.name}": agent async for agent in client.agents()}
    said |= {agent: await client.agent(agent.rpartition("/")[2]) for agent in [name.split()[1] for name in said]}
    said |= {client.name("pools", pool): await client.pool(pool) for pool in POOLS}
    said |= {f"listed {contact.name}": contact async for contact in client.contacts(pool="desk")}
    said |= {f"listed {one.name}": one async for one in client.reservations(agent="kim")}
    for contact in CONTACTS:
        told = said[client.name("contacts", contact)] = await client.contact(contact)
        if told.reservation:
            reservation = said[told.reservation] = await client.reservation(told.reservation)
            said[reservation.decision] = await client.decision(reservation.decision)
    for contact in ENDED:
        said |= {f"step {step.sequence} of {contact}": step async for step in client.watch_contact(contact)}
    at_the_counter = client.name("agents", "ivo")
    return {name: plain(said[name], instant_ms) for name in sorted(said) if not name.endswith(at_the_counter)}


def plain(message: Message, instant_ms: int) -> Any:
    """Return an answer as JSON, with times relative to an instant, without the fields that depend on the process."""
    if isinstance(message, pb.Contact) and message.HasField("queued"):
        message.queued.ClearField("estimated_wait")
    return _in_milliseconds(MessageToDict(message, preserving_proto_field_name=True), instant_ms)


def _in_milliseconds(value: Any, instant_ms: int) -> Any:
    if isinstance(value, dict):
        return {
            name: _moment(said, instant_ms) if name == "time" or name.endswith(("_time", "_since")) else
            _in_milliseconds(said, instant_ms)
            for name, said in value.items()
        }  # fmt: skip
    return [_in_milliseconds(one, instant_ms) for one in value] if isinstance(value, list) else value


def _moment(said: str, instant_ms: int) -> str:
    since = datetime.fromisoformat(said) - datetime.fromtimestamp(0, UTC)
    return relative(str(since // timedelta(milliseconds=1)), instant_ms)


async def record(tree: Path, commit: str) -> None:
    """Write the fixture from a checkout of a commit."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            settings = {"MATCHER_STORE_URL": store.url, "PYTHONPATH": str(tree)}
            server = await start_server(Path(folder), settings, tree)
            try:
                async with server.client() as admin:
                    await admin.create_site(SITE)
                async with server.client(SITE) as client, store.client() as redis:
                    await populate(client)
                    instant_ms = await clock_ms(redis)
                    said = await answers(client, instant_ms)
                    brief = plain(await client.reservation((await client.contact("brief")).reservation), instant_ms)
            finally:
                await server.kill()
            async with store.client() as redis:
                keys = await copy_of(redis, instant_ms)
        finally:
            await store.end()
    assert brief["state"] == "WRAPPING", "the machine was too slow: the short wrap-up is over"
    fixture = {"commit": commit, "answers": said, "brief": brief, "keys": keys}
    FIXTURE.write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{len(keys)} keys, {len(said)} answers, {FIXTURE.stat().st_size} bytes in {FIXTURE.name}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="a checkout whose service can be started")
    parser.add_argument("commit", help="which commit that is")
    given = parser.parse_args()
    asyncio.run(record(given.tree.resolve(), given.commit))
