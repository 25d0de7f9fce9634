"""Site index beside the search: memory, order, other threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer, Scores
from matcher.affinity.search_result import SearchResult
from matcher.index import Beside, Query, SiteIndex
from matcher.index.attributes import MOST_COLUMNS, Attribute, Attributes, AttributeTable
from matcher.index.search import SearchSpace, scores_of_all
from matcher.index.view_cache import MOST_VIEWS
from matcher.model import Agent, Capacity, ChannelCapacity, Hold, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from tests.index.rosters import DIMENSION, crowd, vectors


def agent(name: str, profile: Profile, idle_since_ms: int = 0) -> Agent:
    """Make an agent who is online."""
    return Agent(name, profile, AgentStatus.ONLINE, 1, 1, 0, 0, idle_since_ms)


def test_many_pools_and_unknown_names_take_bounded_memory() -> None:
    """Requests for every pool keep a bounded number of views, and requests for an unknown channel keep none."""
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


def test_unknown_skills_are_not_kept() -> None:
    """No column is kept of a skill that no agent has, and a bounded number of the others."""
    table = AttributeTable()
    for number in range(MOST_COLUMNS + 50):
        table.acquire(Attributes.of(Profile("Someone", ("jazz",), skills={f"skill-{number}": 1})))
    for number in range(MOST_COLUMNS + 50):
        assert table.column(Attribute.SKILL, f"skill-{number}").tolist().count(1) == 1
        assert table.column(Attribute.SKILL, f"made up {number}").max() == -1
    assert len(table._columns) == MOST_COLUMNS


def test_numbers_of_attributes_that_no_agent_has_are_used_again() -> None:
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


def test_of_many_agents_idle_equally_long_the_lower_ids_come_first() -> None:
    """The agents of one import are ordered by id, also where long ids begin alike."""
    index = SiteIndex(Scorer(), DIMENSION)
    names = [f"agents-of-the-night-shift-{number:03d}" for number in np.random.default_rng(1).permutation(300)]
    for name in names:
        index.put(agent(name, Profile("Someone", ("jazz",))), vectors(1, 1))
    assert index.least_utilized(Requirements(), 12) == sorted(names)[:12]
    for name in names:
        index.hold(name, Hold("r", "chat", 1, 10))
    assert index.eligible_but_full(Requirements(), 7) == sorted(names)[:7]
    assert index.eligible_but_full(Requirements(), 1000) == index.eligible_but_full(Requirements()) == sorted(names)


def test_capacity_is_free_at_the_deadline_of_the_hold_and_not_before() -> None:
    """A hold until 1,000 ms still takes capacity at 999 ms and no longer at 1,000 ms; a renewed hold stays."""
    index, agents = crowd(2, online=2)
    full = Hold("r1", "chat", 2, 1000)
    for one in agents:
        index.hold(one.id, full)
    index.hold(agents[1].id, msgspec.structs.replace(full, deadline_ms=2000))
    assert index.next_deadline() == 1000
    assert (index.lapse(999), index.least_utilized(Requirements(), 5)) == (0, [])
    assert (index.lapse(1000), index.least_utilized(Requirements(), 5)) == (1, [agents[0].id])
    assert index.next_deadline() == 2000
    assert (index.lapse(5000), index.next_deadline()) == (1, None)


def test_renewing_without_end_keeps_few_deadlines() -> None:
    """Ten thousand renewals of three reservations leave fewer than a hundred deadlines in the heap."""
    index, agents = crowd(3, online=3)
    for deadline in range(10_000):
        index.hold(agents[deadline % 3].id, Hold("r", "chat", 1, 1000 + deadline))
    assert len(index._deadlines._heap) < 100
    assert index.next_deadline() == 1000 + 9_997


def test_a_channel_takes_at_most_its_maximum_though_the_total_is_not_reached() -> None:
    """Of a total of five, at most two chats are held; mail, without a maximum, fills the rest."""
    capacity = Capacity(5, {"chat": ChannelCapacity(1, max=2), "mail": ChannelCapacity(2)})
    index = SiteIndex(Scorer(), DIMENSION)
    index.put(agent("one", Profile("Someone", ("jazz",), capacity=capacity)), vectors(1, 1))

    def free_for_chat_and_mail() -> tuple[bool, bool]:
        """Tell whether there is capacity for a chat and for a mail, by the kept views and by fresh views alike."""
        available = [tuple(bool(index.least_utilized(Requirements(channel=name), 1)) for name in ("chat", "mail"))]
        index._views._views.clear()
        available.append(tuple(bool(index.least_utilized(Requirements(channel=name), 1)) for name in ("chat", "mail")))
        full = [bool(index.eligible_but_full(Requirements(channel=name))) for name in ("chat", "mail")]
        assert available[0] == available[1] == (not full[0], not full[1])
        return not full[0], not full[1]

    assert free_for_chat_and_mail() == (True, True)
    index.hold("one", Hold("r1", "chat", 1, 10))
    assert free_for_chat_and_mail() == (True, True)
    index.hold("one", Hold("r2", "chat", 1, 10))
    assert free_for_chat_and_mail() == (False, True)
    index.hold("one", Hold("r3", "mail", 2, 10))
    assert free_for_chat_and_mail() == (False, False)
    index.free("one", "r1", None)
    assert free_for_chat_and_mail() == (True, True)
    index.hold("one", Hold("r4", "mail", 2, 10))
    assert free_for_chat_and_mail() == (False, False)


def test_rewriting_interests_again_and_again_takes_no_more_memory() -> None:
    """An agent whose interests were rewritten a hundred times takes as many rows as an agent written once."""
    index = SiteIndex(Scorer(), DIMENSION)
    for round_number in range(100):
        index.put(
            agent("one", Profile("Someone", tuple(f"jazz {round_number} {at}" for at in range(3)))),
            vectors(round_number, 3),
        )
        index.put(agent(f"other {round_number}", Profile("Someone", ("chess",))), vectors(round_number, 1))
        index.remove(f"other {round_number}")
    assert (len(index._vectors), len(index._lexicon)) == (3, 3)


def test_lowering_a_capacity_below_the_load_is_allowed() -> None:
    """An agent with three holds and a new capacity of one is full, and free again only without any hold."""
    index = SiteIndex(Scorer(), DIMENSION)
    wide = Profile("Someone", ("jazz",), capacity=Capacity(3, {"chat": ChannelCapacity(1)}))
    one = agent("one", wide)
    index.put(one, vectors(1, 1))
    for number in range(3):
        index.hold("one", Hold(f"r{number}", "chat", 1, 10))
    indexed = index.agent("one")
    assert indexed is not None
    assert [hold.reservation for hold in indexed.holds] == ["r0", "r1", "r2"]
    index.put(
        replace(indexed, profile=replace(wide, capacity=Capacity(1, {"chat": ChannelCapacity(1)}))), vectors(1, 1)
    )
    for number in range(3):
        assert index.least_utilized(Requirements(), 5) == []
        index.free("one", f"r{number}", 7)
    assert index.least_utilized(Requirements(), 5) == ["one"]


def test_vectors_that_do_not_fit_the_interests_are_refused_whole() -> None:
    """An agent with two interests and one vector is not added at all."""
    index = SiteIndex(Scorer(), DIMENSION)
    with pytest.raises(ValueError, match=r"\(1, 24\), not \(2, 24\)"):
        index.put(agent("one", Profile("Someone", ("jazz", "chess"))), vectors(1, 1))
    assert (len(index), index.ids(), index.agent("one")) == (0, [], None)


def test_small_talk_reaches_anybody_in_the_pool_and_leaves_nothing_behind() -> None:
    """The best affinity of a message is that of the agent with its words, offline or full; no view is kept for it."""
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


def test_small_talk_takes_few_turns_of_a_busy_process_and_reaches_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """700 messages to 40 agents take 11 searches, not 700; each affinity is that of the message alone."""
    index, _ = crowd(40, online=40)
    units = vectors(3, 700)
    messages = [Query(units[at : at + 1], [()]) for at in range(700)]
    alone = [index.best_affinities([message], "default")[0] for message in messages]
    counted = count_searches(monkeypatch)
    assert index.best_affinities(messages, "default").tolist() == alone
    assert len(counted) == 11


def test_a_search_for_thirty_pools_is_one_and_reaches_what_a_search_for_each_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Agents of several pools, empty pools and agents who move between two turns count where they are."""
    index = SiteIndex(Scorer(), DIMENSION)
    pools = [f"pool-{number}" for number in range(30)]
    for number in range(90):
        profile = Profile("Someone", ("jazz", "chess"), pools=(f"pool-{number % 20}", f"pool-{number % 9}"))
        index.put(agent(f"a{number}", profile), vectors(number, 2))
    messages = [Query(vectors(number, 2), [(), ()]) for number in range(100)]
    each = np.stack([index.best_affinities(messages, pool) for pool in pools], axis=1)
    assert each[:, 20:].max() == 0 < each[:, :20].min(axis=1).max()
    counted = count_searches(monkeypatch)
    assert index.best_affinities_by_pool(messages, pools).tolist() == each.tolist()
    assert len(counted) == 2
    assert len(index._views) == 0
    index.put(agent("a0", Profile("Someone", ("jazz", "chess"), pools=("pool-29",))), vectors(0, 2))
    assert index.best_affinities_by_pool(messages, ["pool-29"])[:, 0].tolist() == (
        index.best_affinities(messages, "pool-29").tolist()
    )


def count_searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give a list that grows by the number of messages of every search."""
    counted: list[int] = []

    def count(space: SearchSpace, queries: Sequence[Query]) -> list[Scores]:
        counted.append(len(queries))
        return scores_of_all(space, queries)

    monkeypatch.setattr("matcher.index.site_index.scores_of_all", count)
    return counted


def test_a_profile_counts_only_where_the_message_itself_stays_below_the_floor() -> None:
    """Above it the result is that of the message alone, to the last bit; below it, that of all units together."""
    index, _ = crowd(40, online=40)
    said, brought = vectors(5, 2), vectors(9, 3)
    units, none = np.concatenate([said, brought]), [()] * 5
    alone = index.find(Query(said, none[:2]), Requirements())
    together = index.find(Query(units, none), Requirements())
    best = float(alone.scores.affinity.max())
    for floor, expected in ((best, alone), (np.nextafter(best, 1), together)):
        query = Query(units, none[:2], beside=Beside(2, floor, lambda: none[2:]))
        beside = index.find(query, Requirements(), max_free=3, floor=floor)
        assert beside.by_profile is (expected is together)
        assert [free.agent.id for free in beside.least_utilized] == (
            index.least_utilized(Requirements(), 3) if beside.by_profile else []
        )
        assert np.array_equal(beside.scores.agent, expected.scores.agent)
        for of in ("score", "affinity", "strength"):
            found, wanted = getattr(beside.scores, of), getattr(expected.scores, of)
            assert np.array_equal(found, wanted) if expected is alone else np.allclose(found, wanted, rtol=1e-5)
        assert _reasons(beside) == _reasons(expected)
    both = [Query(units, none[:2], beside=Beside(2, 1.0, lambda: none[2:])), Query(said, none[:2])]
    results = index.find_each(both, Requirements())
    assert [result.by_profile for result in results] == [True, False]
    assert np.allclose(results[0].scores.score, together.scores.score, rtol=1e-5)
    assert np.array_equal(results[1].scores.score, alone.scores.score)


def test_the_words_of_a_profile_are_stemmed_only_where_it_counts_and_then_count() -> None:
    """A message that speaks for itself costs no stemmer; words that a profile shares with an interest raise a score."""
    index, agents = crowd(40, online=40)
    said, brought = vectors(5, 1), vectors(5, 4)[3:]
    asked: list[None] = []

    def words() -> list[tuple[str, ...]]:
        asked.append(None)
        return [tuple(stems(agents[5].profile.interests[0]))]

    best = float(index.find(Query(said, [()]), Requirements()).scores.affinity.max())
    index.find(Query(said, [()], beside=Beside(1, best, words)), Requirements())
    assert asked == []
    units = np.concatenate([said, brought])
    wordless = index.find(Query(units, [()], beside=Beside(1, 1.1, lambda: [()])), Requirements())
    with_words = index.find(Query(units, [()], beside=Beside(1, 1.1, words)), Requirements())
    assert len(asked) == 1
    assert with_words.evidence.lexical.sum() > wordless.evidence.lexical.sum() == 0
    assert with_words.scores.score.max() >= wordless.scores.score.max()


def test_searches_in_threads_find_only_whole_states() -> None:
    """While one thread removes and adds agents, searches on two others find all interests of an agent or none."""
    index, agents = crowd(30, online=30)
    stop = threading.Event()
    missing_rows: set[int] = set()
    faults: list[Exception] = []

    def search() -> None:
        while not stop.is_set():
            try:
                result = index.find(Query(vectors(9, 2), [(), ()]), Requirements())
                missing_rows.add(result.rows - 3 * result.eligible)
            except Exception as fault:  # noqa: BLE001  (the test reports what ended the thread)
                faults.append(fault)
                return

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for round_number in range(600):
        one = agents[round_number % 30]
        index.hold(one.id, Hold("r", "chat", 2, 10))
        index.free(one.id, "r", None)
        index.remove(one.id)
        index.put(one, vectors(round_number, 3))
    stop.set()
    for thread in threads:
        thread.join()
    assert (faults, missing_rows) == ([], {0})


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 1.0], [1.0, -0.1], [1.0, float("nan")], [1.0, float("inf")]])
def test_weights_that_fit_no_message_are_refused(weights: list[float]) -> None:
    """A message of two units has two weights, each a number that is not negative."""
    with pytest.raises(ValueError, match="one number a unit"):
        Query(vectors(1, 2), [(), ()], weights)


def _reasons(result: SearchResult) -> list[tuple[int, int, int]]:
    """Return the unit, agent and interest of every reason."""
    found = result.evidence.only(result.scores.reason)  # type: ignore[arg-type]  # by positions
    return list(zip(found.unit.tolist(), found.agent.tolist(), found.interest.tolist(), strict=True))
