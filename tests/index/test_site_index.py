"""What the index promises beside the search: memory, order, other threads."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer
from matcher.index import Query, SiteIndex
from matcher.index.attributes import MOST_COLUMNS, Attribute, Attributes, AttributeTable
from matcher.index.view_cache import MOST_VIEWS
from matcher.model import Agent, Capacity, ChannelCapacity, Hold, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from tests.index.rosters import DIMENSION, crowd, vectors


def agent(name: str, profile: Profile, idle_since_ms: int = 0) -> Agent:
    """Make an agent who is online."""
    return Agent(name, profile, AgentStatus.ONLINE, 1, 1, 0, 0, idle_since_ms)


def test_many_pools_and_made_up_names_take_bounded_memory() -> None:
    """Asking for every pool keeps a bounded number of views, and asking for what nobody has keeps nothing."""
    index = SiteIndex(Scorer(), DIMENSION)
    for number in range(MOST_VIEWS + 20):
        pool = f"pool-{number}"
        index.put(agent(f"a{number:03d}", Profile("Someone", ("jazz",), pools=(pool,))), vectors(number, 1))
        assert index.find(Query(vectors(number, 1), [()]), Requirements(pool=pool)).eligible == 1
    assert len(index._views) == MOST_VIEWS
    for number in range(MOST_VIEWS + 20):
        assert index.find(Query(vectors(number, 1), [()]), Requirements(pool=f"pool-{number}")).eligible == 1
        assert index.find(Query(vectors(number, 1), [()]), Requirements(channel=f"made up {number}")).eligible == 0
    assert len(index._views) == MOST_VIEWS


def test_made_up_skills_are_not_remembered() -> None:
    """Skills that nobody has are answered without being kept; of those that are there a bounded number is."""
    table = AttributeTable()
    for number in range(MOST_COLUMNS + 50):
        table.acquire(Attributes.of(Profile("Someone", ("jazz",), skills={f"skill-{number}": 1})))
    for number in range(MOST_COLUMNS + 50):
        assert table.column(Attribute.SKILL, f"skill-{number}").tolist().count(1) == 1
        assert table.column(Attribute.SKILL, f"made up {number}").max() == -1
    assert len(table._columns) == MOST_COLUMNS


def test_traits_that_nobody_has_any_more_are_used_again() -> None:
    """An agent whose skills change a thousand times leaves no trace of the old ones."""
    index = SiteIndex(Scorer(), DIMENSION)
    stays = agent("stays", Profile("Someone", ("jazz",), skills={"billing": 2}))
    index.put(stays, vectors(1, 1))
    for level in range(1000):
        changing = agent("changes", Profile("Someone", ("jazz",), skills={"billing": level % 7, f"s{level}": 1}))
        index.put(changing, vectors(1, 1))
        found = index.find(Query(vectors(1, 1), [()]), Requirements(skills={"billing": 3}))
        assert found.eligible == (level % 7 >= 3)
    assert len(index._agents.attribute_table.totals()) <= 3


def test_of_many_idle_equally_long_the_lower_ids_come_first() -> None:
    """A roster imported at one moment is offered in the order of ids, also where long ids begin alike."""
    index = SiteIndex(Scorer(), DIMENSION)
    names = [f"agents-of-the-night-shift-{number:03d}" for number in np.random.default_rng(1).permutation(300)]
    for name in names:
        index.put(agent(name, Profile("Someone", ("jazz",))), vectors(1, 1))
    assert index.longest_idle(Requirements(), 12) == sorted(names)[:12]
    for name in names:
        index.hold(name, Hold("r", "chat", 1, 10))
    assert index.eligible_but_full(Requirements(), 7) == sorted(names)[:7]
    assert index.eligible_but_full(Requirements(), 1000) == index.eligible_but_full(Requirements()) == sorted(names)


def test_a_slot_is_free_at_its_deadline_and_not_before() -> None:
    """A hold until 1,000 ms still takes the slot at 999 ms and no longer at 1,000 ms; a renewed one holds on."""
    index, agents = crowd(2, online=2)
    full = Hold("r1", "chat", 2, 1000)
    for one in agents:
        index.hold(one.id, full)
    index.hold(agents[1].id, replace(full, deadline_ms=2000))
    assert index.next_deadline() == 1000
    assert (index.lapse(999), index.longest_idle(Requirements(), 5)) == (0, [])
    assert (index.lapse(1000), index.longest_idle(Requirements(), 5)) == (1, [agents[0].id])
    assert index.next_deadline() == 2000
    assert (index.lapse(5000), index.next_deadline()) == (1, None)


def test_renewing_without_end_keeps_few_deadlines() -> None:
    """Ten thousand renewals of three reservations leave no heap of old deadlines behind."""
    index, agents = crowd(3, online=3)
    for deadline in range(10_000):
        index.hold(agents[deadline % 3].id, Hold("r", "chat", 1, 1000 + deadline))
    assert len(index._deadlines._heap) < 100
    assert index.next_deadline() == 1000 + 9_997


def test_a_channel_takes_as_many_as_it_says_though_the_total_has_room() -> None:
    """Of a total of five, at most two chats are taken; mail, of which any number is, fills the rest."""
    capacity = Capacity(5, {"chat": ChannelCapacity(1, max=2), "mail": ChannelCapacity(2)})
    index = SiteIndex(Scorer(), DIMENSION)
    index.put(agent("one", Profile("Someone", ("jazz",), capacity=capacity)), vectors(1, 1))

    def room() -> tuple[bool, bool]:
        """Tell whether a chat and whether a mail finds room, as the kept views and as fresh ones say."""
        told = [tuple(bool(index.longest_idle(Requirements(channel=name), 1)) for name in ("chat", "mail"))]
        index._views._views.clear()
        told.append(tuple(bool(index.longest_idle(Requirements(channel=name), 1)) for name in ("chat", "mail")))
        full = [bool(index.eligible_but_full(Requirements(channel=name))) for name in ("chat", "mail")]
        assert told[0] == told[1] == (not full[0], not full[1])
        return not full[0], not full[1]

    assert room() == (True, True)
    index.hold("one", Hold("r1", "chat", 1, 10))
    assert room() == (True, True)
    index.hold("one", Hold("r2", "chat", 1, 10))
    assert room() == (False, True)
    index.hold("one", Hold("r3", "mail", 2, 10))
    assert room() == (False, False)
    index.free("one", "r1", None)
    assert room() == (True, True)
    index.hold("one", Hold("r4", "mail", 2, 10))
    assert room() == (False, False)


def test_rewriting_interests_again_and_again_takes_no_more_room() -> None:
    """An agent whose interests were rewritten a hundred times weighs as much as one written once."""
    index = SiteIndex(Scorer(), DIMENSION)
    for turn in range(100):
        index.put(agent("one", Profile("Someone", tuple(f"jazz {turn} {at}" for at in range(3)))), vectors(turn, 3))
        index.put(agent(f"other {turn}", Profile("Someone", ("chess",))), vectors(turn, 1))
        index.remove(f"other {turn}")
    assert (len(index._vectors), len(index._lexicon)) == (3, 3)


def test_lowering_a_capacity_below_what_is_held_is_allowed() -> None:
    """An agent who holds three and may now hold one is full, and free again only when all but none are given back."""
    index = SiteIndex(Scorer(), DIMENSION)
    wide = Profile("Someone", ("jazz",), capacity=Capacity(3, {"chat": ChannelCapacity(1)}))
    one = agent("one", wide)
    index.put(one, vectors(1, 1))
    for number in range(3):
        index.hold("one", Hold(f"r{number}", "chat", 1, 10))
    known = index.agent("one")
    assert known is not None
    assert [hold.reservation for hold in known.holds] == ["r0", "r1", "r2"]
    index.put(replace(known, profile=replace(wide, capacity=Capacity(1, {"chat": ChannelCapacity(1)}))), vectors(1, 1))
    for number in range(3):
        assert index.longest_idle(Requirements(), 5) == []
        index.free("one", f"r{number}", 7)
    assert index.longest_idle(Requirements(), 5) == ["one"]


def test_vectors_that_do_not_fit_the_interests_are_refused_whole() -> None:
    """An agent with two interests and one vector is not taken in at all."""
    index = SiteIndex(Scorer(), DIMENSION)
    with pytest.raises(ValueError, match=r"\(1, 24\), not \(2, 24\)"):
        index.put(agent("one", Profile("Someone", ("jazz", "chess"))), vectors(1, 1))
    assert (len(index), index.ids(), index.agent("one")) == (0, [], None)


def test_small_talk_reaches_anybody_in_the_pool_and_leaves_nothing_behind() -> None:
    """The best affinity of a message is that of its own words' agent, offline or full, and no view is kept for it."""
    index, agents = crowd(40, online=0)
    close = vectors(5, 3)
    words: list[tuple[str, ...]] = [stems(agents[5].profile.interests[0])]
    messages = [Query(close[:1], words), Query(-close[:1], [()])]
    best = index.best_affinities(messages, "default")
    everybody = index.find(Query(messages[0].units, messages[0].stems), Requirements(), ignore_availability=True)
    assert best[0] == everybody.scores.affinity.max() > 0.7
    assert best[1] == index.find(
        Query(messages[1].units, messages[1].stems), Requirements(), ignore_availability=True
    ).scores.affinity.max(initial=0)
    assert index.best_affinities(messages, "elsewhere").tolist() == [0, 0]
    assert len(index._views) == 1


def test_searches_in_threads_see_only_whole_states() -> None:
    """While agents come and go in pairs on one thread, searches on two others always see both or neither."""
    index, agents = crowd(30, online=30)
    stop = threading.Event()
    seen: set[int] = set()
    faults: list[Exception] = []

    def search() -> None:
        while not stop.is_set():
            try:
                found = index.find(Query(vectors(9, 2), [(), ()]), Requirements())
                seen.add(found.rows - 3 * found.eligible)
            except Exception as fault:  # noqa: BLE001  (a test that tells what a thread died of)
                faults.append(fault)
                return

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(600):
        one = agents[turn % 30]
        index.hold(one.id, Hold("r", "chat", 2, 10))
        index.free(one.id, "r", None)
        index.remove(one.id)
        index.put(one, vectors(turn, 3))
    stop.set()
    for thread in threads:
        thread.join()
    assert (faults, seen) == ([], {0})
