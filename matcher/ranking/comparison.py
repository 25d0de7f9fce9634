"""The comparison of routing by affinity with routing by load: draws arms, and names the other arm's choice. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from matcher.model import Arm, Basis, Candidate, Comparison, Draw, Part, Preferred, Ranking, WouldBe

_PLACE_BYTES: Final = 8

_OUTSIDE: Final = {
    Basis.PREFERRED: Part.PREFERRED,
    Basis.RELATIONSHIP: Part.RELATIONSHIP,
    Basis.TRANSFER: Part.TRANSFER,
    Basis.ASSIGNED: Part.ASSIGNED,
}


def draw_arm(salt: bytes, contact: str, control_share: float) -> Draw:
    """Return the arm of a contact: always the same for the same salt, id and share.

    A contact that is control at one share is control at every greater one.
    """
    digest = hashlib.blake2b(contact.encode(), key=salt, digest_size=_PLACE_BYTES).digest()
    place = int.from_bytes(digest) / 2 ** (8 * _PLACE_BYTES)
    return Draw(Arm.CONTROL if place < control_share else Arm.TREATMENT, control_share)


def is_control(draw: Draw | None) -> bool:
    """Return whether a contact's agents are chosen by load; draw None: the contact has no arm."""
    return draw is not None and draw.arm is Arm.CONTROL


def offered_first(preferred: Sequence[Preferred], draw: Draw | None, *, forgoes_relationships: bool) -> list[Preferred]:
    """Return the agents who are offered a contact before all others: without a relationship that its arm forgoes."""
    forgone = forgoes_relationships and is_control(draw)
    return [one for one in preferred if not (forgone and one.basis is Basis.RELATIONSHIP)]


def compare(
    ranking: Ranking, by_load: Sequence[Candidate], draw: Draw | None, *, alone: Basis | None = None
) -> Ranking:
    """Return the ranking of a contact's own arm, with what the other arm's rule would have chosen.

    ranking: as without a comparison. by_load: the agents who meet the constraints, in the order of FALLBACK; at least
    the first. A ranking whose agent another rule chose stays, and stands outside the comparison. draw None: nothing
    changes. alone: the basis that the contact would have had by itself, where its agent was chosen beside others; None:
    the ranking's.
    """
    if draw is None:
        return ranking
    if ranking.basis not in (Basis.AFFINITY, Basis.FALLBACK) or ranking.degraded:
        return outside(ranking, draw)
    if draw.arm is Arm.CONTROL:
        compared = Comparison(draw, Part.TOOK_PART, _would_be(ranking.candidates, ranking.basis))
        return replace(ranking, candidates=tuple(by_load), basis=Basis.CONTROL, comparison=compared)
    return replace(ranking, comparison=Comparison(draw, Part.TOOK_PART, _would_be(by_load, alone or ranking.basis)))


def outside(ranking: Ranking, draw: Draw | None, *, compares_relationships: bool = False) -> Ranking:
    """Return the ranking as one whose agent no arm chose, with the reason; draw None: nothing changes.

    compares_relationships: control contacts forgo them, so an agent who knows the customer is a choice of treatment.
    """
    if draw is None:
        return ranking
    if compares_relationships and ranking.basis is Basis.RELATIONSHIP:
        would_be = WouldBe("", Basis.RELATIONSHIP, 0.0)
        return replace(ranking, comparison=Comparison(draw, Part.TOOK_PART, would_be))
    # Where no other rule chose the agent, the message was not compared with interests.
    return replace(ranking, comparison=Comparison(draw, _OUTSIDE.get(ranking.basis, Part.DEGRADED)))


def with_relationship(ranking: Ranking, known: Candidate | None) -> Ranking:
    """Return the ranking of a control contact that forgoes an agent who knows the customer; None: nobody does."""
    compared = ranking.compared
    if known is None or compared is None or compared.part is not Part.TOOK_PART:
        return ranking
    would_be = WouldBe(known.agent, Basis.RELATIONSHIP, known.affinity)
    return replace(ranking, comparison=Comparison(compared.draw, compared.part, would_be))


def _would_be(candidates: Sequence[Candidate], basis: Basis) -> WouldBe:
    if not candidates:
        return WouldBe("", basis, 0.0)
    return WouldBe(candidates[0].agent, basis, candidates[0].affinity)
