"""What the page Why her? says of records of decisions, and what becomes of them under other policies."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from playwright.async_api import Browser, Page, expect

from matcher.v1 import routing_pb2 as pb
from matcher.v1.roster_pb2 import ONLINE, Agent
from matcher.web.console.pages.why import ended_of
from matcher.web.console.replays import Verdict, as_it_was, under
from matcher.web.console.story import steps_of
from matcher.web.console.why import why_of
from tests.processes import Server
from tests.web.console.seen import fits, seen
from tests.web.gateway import Gateway


def at(seconds: int) -> Timestamp:
    """Return a moment."""
    return Timestamp(seconds=seconds)


def person(name: str, interest: str) -> Agent:
    """Return an agent who is online."""
    return Agent(display_name=name, interests=[interest], status=ONLINE)


def record(
    *agents: tuple[str, float, float], chosen: str, basis: pb.Basis.ValueType = pb.AFFINITY, looked_at: int = 1
) -> pb.Decision:
    """Return a decision: its agents with affinity and utilization; the store looked at so many of them."""
    return pb.Decision(
        name="sites/s/decisions/d",
        agent=f"sites/s/agents/{chosen}",
        basis=basis,
        candidates=[
            pb.Candidate(
                agent=f"sites/s/agents/{agent}", display_name=agent.title(), affinity=affinity, utilization=utilization
            )
            for agent, affinity, utilization in agents
        ],
        seen_agents=[
            pb.SeenAgent(agent=f"sites/s/agents/{agent}", load=round(busy * 10), total=10, idle_since=at(1))
            for agent, _, busy in agents[:looked_at]
        ],
        affinity_floor=0.3,
        affinity_tolerance=0.05,
        eligible_agents=20,
    )


def test_a_decision_is_made_again_as_it_was() -> None:
    """By the rule of `matcher decisions replay`; a record that holds too little says why, and raises nothing."""
    assert as_it_was(record(("bea", 0.7, 0.0), ("cy", 0.5, 0.0), chosen="bea")).verdict is Verdict.SAME
    assert as_it_was(record(("bea", 0.7, 0.5), ("cy", 0.68, 0.0), chosen="bea", looked_at=2)).verdict is Verdict.OTHER
    untold = as_it_was(pb.Decision(basis=pb.AFFINITY))
    assert (untold.verdict, "an earlier version" in untold.sentence) == (Verdict.UNTOLD, True)


def test_a_decision_is_made_again_under_another_policy() -> None:
    """A wider tolerance, a higher floor, a lower one; where another rule decided, neither changes anything."""
    near = record(("bea", 0.7, 0.5), ("cy", 0.6, 0.0), chosen="bea")
    assert under(near).verdict is Verdict.SAME
    assert under(near, tolerance=0.2).sentence == "Cy is chosen instead."
    assert under(near, tolerance=0.09).verdict is Verdict.SAME
    assert under(near, floor=0.71).verdict is Verdict.FALLS_BACK
    fell = record(("tim", 0.1, 0.0), ("bea", 0.28, 0.5), chosen="tim", basis=pb.FALLBACK, looked_at=2)
    assert under(fell, floor=0.2).sentence == "The message meets interests of at least Bea."
    assert under(fell, floor=0.29).verdict is Verdict.UNTOLD
    assert under(fell, floor=0.9).verdict is Verdict.SAME
    assert under(record(("bea", 0.7, 0.5), chosen="bea", basis=pb.CONTROL), floor=1.0).verdict is Verdict.SAME


def test_what_would_have_made_the_difference_is_told() -> None:
    """The margin, the floor, the tolerance, and who was busy: each with its number."""
    told = " ".join(why_of(record(("bea", 0.7, 0.5), ("cy", 0.6, 0.0), chosen="bea")).differences)
    assert "The runner-up is Cy, whose affinity is 0.60: 0.10 less than that of Bea." in told
    assert "with a floor above 0.70 the message would have fallen back" in told
    assert "With a tolerance of 0.100 or more Cy, less busy or idle longer, would have been chosen." in told
    equal = record(("cy", 0.68, 0.0), ("bea", 0.7, 0.5), chosen="cy", looked_at=2)
    told = " ".join(why_of(equal).differences)
    assert "both counted as equal" in told
    assert "With a tolerance below 0.020 Bea would have been chosen, whose affinity is greater." in told
    busy = record(("dan", 0.9, 1.0), ("bea", 0.7, 0.5), chosen="bea", looked_at=2)
    busy.seen_agents[0].refused = pb.CONSTRAINT_CAPACITY
    busy.left_out.add(constraint=pb.CONSTRAINT_STATUS, agents=3)
    told = " ".join(why_of(busy).differences)
    assert "Dan, with an affinity of 0.90, was looked at and was busy by then." in told
    assert "3 not online" in told
    assert why_of(pb.Decision()).basis.startswith("The service does not tell your role")


def test_the_life_of_a_contact_is_a_line() -> None:
    """Each step in words, with how long it lasted; a decision is linked where it was made, once."""
    given = [
        (pb.CAUSE_NOBODY_FREE, pb.CONTACT_QUEUED, 0, ""),
        (pb.CAUSE_OFFERED, pb.CONTACT_RESERVED, 90, "r"),
        (pb.CAUSE_ACCEPTED, pb.CONTACT_ASSIGNED, 95, "r"),
    ]
    events = [
        pb.ContactEvent(cause=cause, state=state, time=at(seconds), reservation=held, agent="a" if held else "")
        for cause, state, seconds, held in given
    ]
    steps = steps_of(events, {"r": "d"}, {"a": "Bea"}, "d")
    assert [(step.sentence, step.after, step.decision) for step in steps] == [
        ("nobody was free: the contact waits", "", ""),
        ("offered to Bea", "1 min later", "d"),
        ("Bea accepted", "5 s later", ""),
    ]
    assert (steps[1].chosen, steps[2].last) == (True, True)


async def test_a_contact_tells_why_its_agent_was_chosen(page: Page, service: Server) -> None:
    """From the list of contacts to the record, the runner-up and the line of time; an unknown id says what to do."""
    site = await service.site()
    async with service.client(site) as client:
        for agent, interest in (("bea", "I keep honey bees."), ("tim", "I play the trombone.")):
            await client.create_agent(agent, person(agent.title(), interest))
        routed = await client.route("My honey bees have swarmed.", contact_id="c/1", wait=True)
        await client.accept(routed.reservation.name.rpartition("/")[2])
    await page.goto(f"/console/sites/{site}/why")
    row = page.get_by_role("row", name="c/1")
    await expect(row.get_by_role("cell")).to_have_text(["", "bea", "is served", "default"])
    await page.get_by_role("link", name="c/1").click()
    await expect(page.locator(".verdict")).to_have_text("The message meets this agent's interests.")
    await expect(page.locator("main")).to_contain_text("with a floor above")
    await expect(page.locator("main")).to_contain_text("Made again, the same agent is chosen.")
    await expect(page.locator(".steps")).to_contain_text("Bea accepted")
    await seen(page)
    await fits(page)
    await page.get_by_label("A contact's id").fill("nobody")
    await page.keyboard.press("Enter")
    await expect(page.locator("main .refusal:not(#lost)")).to_contain_text("CONTACT_NOT_FOUND")
    await seen(page)


async def test_a_contact_that_was_declined_links_each_of_its_decisions(
    browser: Browser, console: Gateway, service: Server
) -> None:
    """Without scripts: the first decision is a link away from the second."""
    site = await service.site()
    async with service.client(site) as client:
        for agent in ("bea", "tim"):
            await client.create_agent(agent, person(agent.title(), "I keep honey bees."))
        routed = await client.route("My honey bees have swarmed.", contact_id="c-1")
        await client.decline(routed.reservation.name.rpartition("/")[2], reason="busy")
        await client.route("My honey bees have swarmed.", contact_id="c-1")
    context = await browser.new_context(base_url=f"http://localhost:{console.port}", java_script_enabled=False)
    context.set_default_timeout(60_000)
    page = await context.new_page()
    await page.goto(f"/console/sites/{site}/why?contact=c-1")
    first = await page.locator("#verdict").inner_text()
    await page.get_by_role("link", name="Why this agent?").click()
    assert await page.locator("#verdict").inner_text() != first
    assert {first, await page.locator("#verdict").inner_text()} == {"Why Bea?", "Why Tim?"}
    await context.close()


async def test_a_conversation_that_has_ended_is_found_without_its_id(page: Page, service: Server) -> None:
    """The newest comes first, with its agent; a press on it says why. A contact that nobody served is not listed."""
    site = await service.site()
    async with service.client(site) as client:
        await client.create_agent("bea", person("Bea", "I keep honey bees."))
        for contact in ("older", "newer"):
            routed = await client.route("My honey bees have swarmed.", contact_id=contact, auto_accept=True)
            await client.complete(routed.reservation.name)
        offered = await client.route("My honey bees have swarmed.", contact_id="declined", wait=True)
        await client.decline(offered.reservation.name)
    await page.goto(f"/console/sites/{site}/why")
    await expect(page.get_by_role("row", name="declined").get_by_role("cell")).to_have_text(
        ["", "", "waits", "default"]
    )
    await expect(page.locator("#ended ~ .scroll tbody th")).to_have_text(["newer", "older"])
    await expect(page.locator("main")).to_contain_text("the conversation with bea ended")
    await seen(page)
    await page.get_by_role("link", name="newer").click()
    await expect(page.locator(".verdict")).to_have_text("The message meets this agent's interests.")


def test_only_conversations_that_have_ended_are_listed() -> None:
    """A contact that is served again after its conversation, and one that nobody served, are no ended conversations."""

    def event(contact: str, state: pb.ContactState.ValueType, agent: str) -> pb.ContactEvent:
        named = f"sites/s/agents/{agent}" if agent else ""
        return pb.ContactEvent(contact=f"sites/s/contacts/{contact}", state=state, agent=named)

    events = [
        event("a", pb.CONTACT_CLOSED, "bea"),
        event("b", pb.CONTACT_CLOSED, ""),
        event("c%2Fd", pb.CONTACT_CLOSED, "tim"),
        event("e", pb.CONTACT_CLOSED, "bea"),
        event("e", pb.CONTACT_ASSIGNED, "tim"),
    ]
    assert [(one.contact, one.agent) for one in ended_of(events)] == [("c/d", "tim"), ("a", "bea")]
