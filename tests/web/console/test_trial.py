"""What the page Try it says of an answer of SuggestAgents, without a browser."""

from __future__ import annotations

from collections.abc import Sequence

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.marks import LONGEST_ASIDE, interests_met, pieces
from matcher.web.console.said import ASIDE, BASES, CAUSES, LEFT_OUT, STATES
from matcher.web.console.trial import Ranked, change_of, ranked_of, trial_of

TEXT = "Hi! \U0001f41d My bees swarmed. The veil of 4711-22 is torn."
BEES, VEIL = (4, 22), (23, 51)


def candidate(agent: str, affinity: float, *reasons: pb.MatchReason) -> pb.Candidate:
    """Return an agent who was considered."""
    return pb.Candidate(agent=f"sites/s/agents/{agent}", display_name=agent.title(), affinity=affinity, reasons=reasons)


def reason(place: tuple[int, int], interest: str) -> pb.MatchReason:
    """Return words that met an interest."""
    return pb.MatchReason(start=place[0], end=place[1], interest=interest, source=pb.REASON_SOURCE_MESSAGE)


def answer(
    *candidates: pb.Candidate,
    basis: pb.Basis.ValueType = pb.AFFINITY,
    left_out: Sequence[pb.LeftOutCount] = (),
    named: Sequence[pb.LeftOutAgent] = (),
) -> pb.SuggestAgentsResponse:
    """Return an answer about the text."""
    return pb.SuggestAgentsResponse(
        candidates=candidates,
        basis=basis,
        affinity_floor=0.3,
        affinity_tolerance=0.05,
        compared=[pb.ComparedUnit(start=start, end=end) for start, end in (BEES, VEIL)],
        set_aside=[
            pb.SetAside(kind=pb.SET_ASIDE_SMALL_TALK, start=0, end=3),
            pb.SetAside(kind=pb.SET_ASIDE_NUMBER, start=35, end=42),
        ],
        left_out=left_out,
        left_out_agents=named,
    )


def test_every_name_of_the_api_has_words() -> None:
    """A constraint, a part that is set aside, a basis, a cause and a state are told in words, whichever it is."""
    assert set(LEFT_OUT) == set(pb.Constraint.values()) - {0}
    assert set(ASIDE) == set(pb.SetAsideKind.values()) - {0, pb.SET_ASIDE_UNALIGNED}
    assert set(BASES) == set(pb.Basis.values()) - {0}
    assert set(CAUSES) == set(pb.Cause.values()) - {0}
    assert set(STATES) == set(pb.ContactState.values()) - {0}


def test_a_text_is_cut_where_what_is_said_of_it_changes() -> None:
    """Its pieces are the whole text; a number inside a unit is set aside, and the words around it keep their colour."""
    said = answer(candidate("bea", 0.7, reason(BEES, "bees")), candidate("tim", 0.4, reason(VEIL, "veils")))
    met = interests_met(said.candidates)
    cut = pieces(TEXT, said.compared, said.set_aside, said.candidates, met)
    assert "".join(piece.text for piece in cut) == TEXT
    assert [(piece.text, piece.aside, piece.met and piece.met.interest) for piece in cut] == [
        ("Hi!", "small talk", None),
        (" ", "", None),
        ("\U0001f41d My bees swarmed.", "", "bees"),
        (" ", "", None),
        ("The veil of ", "", "veils"),
        ("4711-22", "a number", None),
        (" is torn.", "", "veils"),
    ]


def test_places_beyond_the_text_and_long_parts_are_bounded() -> None:
    """A place beyond the end of the text counts as the end, and a long quote is shown by its beginning."""
    text = "q" * 5_000
    for end in (5_000, 9_999):
        (piece,) = pieces(text, [], [pb.SetAside(kind=pb.SET_ASIDE_QUOTE, start=0, end=end)], [], ())
        assert (len(piece.text), piece.hidden) == (LONGEST_ASIDE, 5_000 - LONGEST_ASIDE)


def test_the_answer_says_who_counts_as_equal_and_who_was_left_out() -> None:
    """Within the tolerance of the best; below the floor; by constraint, with names and how many have none."""
    left_out = [pb.LeftOutCount(constraint=pb.CONSTRAINT_STATUS, agents=14)]
    named = [pb.LeftOutAgent(agent=f"sites/s/agents/a{n}", constraint=pb.CONSTRAINT_STATUS) for n in range(14)]
    told = trial_of(
        TEXT,
        answer(
            candidate("bea", 0.70, reason(BEES, "bees")),
            candidate("cy", 0.66),
            candidate("tim", 0.2),
            left_out=left_out,
            named=named,
        ),
    )
    assert [(seen.name, seen.equal, seen.below_floor) for seen in told.ranked.seen] == [
        ("Bea", True, False),
        ("Cy", True, False),
        ("Tim", False, True),
    ]
    assert told.units == (TEXT[slice(*BEES)], TEXT[slice(*VEIL)])
    assert [met.interest for met in told.tinted] == ["bees"]
    (excluded,) = told.excluded
    assert (excluded.number, len(excluded.names), excluded.more) == (14, 12, 2)


def test_what_another_policy_changes_is_a_sentence() -> None:
    """Nothing, the order behind, another agent, a fall back, and the way back from it."""
    bea, cy = candidate("bea", 0.7), candidate("cy", 0.66)

    def ranked(*given: pb.Candidate, basis: pb.Basis.ValueType = pb.AFFINITY) -> Ranked:
        return ranked_of(TEXT, answer(*given, basis=basis), ())

    said = change_of
    assert said(ranked(bea, cy), ranked(bea, cy)) == "Nothing changes for this message: Bea stays first."
    assert said(ranked(bea, cy), ranked(bea)) == "The order behind changes: Bea stays first."
    assert said(ranked(bea, cy), ranked(cy, bea)).startswith(
        "Cy would come first instead of Bea: 2 agents count as equal"
    )
    assert said(ranked(bea), ranked(cy, basis=pb.FALLBACK)).startswith(
        "The message would fall back to the least utilized"
    )
    assert said(ranked(cy, basis=pb.FALLBACK), ranked(bea)).startswith("The message would go to Bea by affinity")
    assert "constraints come before it" in said(ranked(), ranked())
