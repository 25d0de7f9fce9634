"""The page Try it: how a message is cut, who would get it, and what another policy would change. Nothing is held."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.responses import Response

from matcher.v1.roster_pb2 import ListPoolsRequest, Pool
from matcher.v1.routing_pb2 import Message, SuggestAgentsRequest, SuggestAgentsResponse
from matcher.web.console.access import reason_of
from matcher.web.console.advice import refusal_of
from matcher.web.console.page import Get, Page, Post
from matcher.web.console.trial import change_of, ranked_of, trial_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

MOST_POOLS: Final = 1_000
CANDIDATES: Final = 8
STEP: Final = 0.005
"""Of the sliders: a value in force is shown at the nearest step."""
DEFAULT_POOL: Final = "default"
SLIDERS: Final = ("affinity_floor", "affinity_tolerance", "profile_weight")


@dataclass(frozen=True, slots=True)
class Slider:
    """A value of the policy that can be tried; at: the pool's own, to the nearest step; value: what is tried."""

    field: str
    title: str
    hint: str
    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says."""

    text: str = ""
    media_type: str = ""
    customer: str = ""
    interests: tuple[str, ...] = ()
    language: str = ""
    pool: str = DEFAULT_POOL
    everybody: bool = False
    tried: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, form: FormData) -> Asked:
        """Return what a form says; a browser writes the ends of lines as two signs, which a customer never typed."""
        interests = _text(form, "interests").splitlines()
        return cls(
            text=_text(form, "text"),
            media_type=_text(form, "media_type"),
            customer=_text(form, "customer").strip(),
            interests=tuple(line.strip() for line in interests if line.strip()),
            language=_text(form, "language").strip(),
            pool=_text(form, "pool") or DEFAULT_POOL,
            everybody=bool(_text(form, "everybody")),
            tried=tuple(_tried(form)),
        )

    def request(self, site: str, *, tried: bool) -> SuggestAgentsRequest:
        """Return the call that asks for it; tried: by the policy of the sliders."""
        return SuggestAgentsRequest(
            parent=site,
            pool=f"{site}/pools/{self.pool}",
            message=Message(
                text=self.text,
                media_type=self.media_type,
                customer=self.customer,
                customer_interests=self.interests,
                language=self.language,
            ),
            max_candidates=CANDIDATES,
            ignore_availability=self.everybody,
            explain_left_out=True,
            **(dict(self.tried) if tried else {}),
        )


def sliders_of(pool: Pool, asked: Asked) -> tuple[Slider, ...]:
    """Return the sliders of a pool, where the form left them."""
    tried = dict(asked.tried)
    weight = pool.profile_weight if pool.HasField("profile_weight") else 1.0
    at = {
        "affinity_floor": pool.effective_affinity_floor,
        "affinity_tolerance": pool.effective_affinity_tolerance,
        "profile_weight": weight,
    }
    words = {
        "affinity_floor": (
            "Floor",
            "A lower affinity meets no interest. Each language has its own, unless you move it.",
        ),
        "affinity_tolerance": (
            "Tolerance",
            "Agents this near the best count as equal; the least utilized is first.",
        ),
        "profile_weight": ("Profile weight", "How much what the customer brings along counts."),
    }
    return tuple(
        Slider(field, *words[field], _stepped(at[field]), tried.get(field, _stepped(at[field]))) for field in SLIDERS
    )


async def show(visitor: Visitor) -> Response:
    """Show the empty form."""
    pool = visitor.request.query_params.get("pool", "")
    return await _page(visitor, Asked(pool=pool or DEFAULT_POOL), {})


async def try_message(visitor: Visitor) -> Response:
    """Show what becomes of a message; htmx gets the answer alone."""
    asked = Asked.of(visitor.form)
    if not (asked.text.strip() or asked.interests or asked.customer):
        wrong = (
            "Write what a customer might write, or what a customer cares about, or name a customer who left interests."
        )
        return await _answer(visitor, asked, {"nothing": wrong})
    try:
        own, tried = await _ask(visitor, asked)
    except Fault as fault:
        if fault.http >= 500 or reason_of(fault) == "PERMISSION_DENIED" or fault.http == 401:
            raise
        return await _answer(visitor, asked, {"refusal": refusal_of(fault)})
    trial = trial_of(asked.text, own)
    second = ranked_of(asked.text, tried, trial.met) if tried is not None else None
    change = change_of(trial.ranked, second) if second is not None else ""
    return await _answer(visitor, asked, {"trial": trial, "tried": second, "change": change})


async def _ask(visitor: Visitor, asked: Asked) -> tuple[SuggestAgentsResponse, SuggestAgentsResponse | None]:
    suggest = visitor.stubs.routing.SuggestAgents
    own = visitor.ask(suggest, asked.request(visitor.site_name, tried=False))
    if not asked.tried:
        return await own, None
    return await asyncio.gather(own, visitor.ask(suggest, asked.request(visitor.site_name, tried=True)))


async def _answer(visitor: Visitor, asked: Asked, shown: dict[str, Any]) -> Response:
    if visitor.asked_by_htmx:
        return visitor.part("try_answer.html", **_all(asked, shown))
    return await _page(visitor, asked, shown)


async def _page(visitor: Visitor, asked: Asked, shown: dict[str, Any]) -> Response:
    pools = await _pools(visitor)
    chosen = next((pool for pool in pools if pool.name.endswith(f"/pools/{asked.pool}")), None)
    sliders = sliders_of(chosen, asked) if chosen is not None else ()
    return visitor.page("try_it.html", pools=pools, sliders=sliders, **_all(asked, shown))


async def _pools(visitor: Visitor) -> Sequence[Pool]:
    try:
        request = ListPoolsRequest(parent=visitor.site_name, page_size=MOST_POOLS)
        return (await visitor.ask(visitor.stubs.roster.ListPools, request)).pools
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return ()  # the form then takes the default pool, without sliders
        raise


def _all(asked: Asked, shown: dict[str, Any]) -> dict[str, Any]:
    return {"asked": asked, "nothing": "", "refusal": None, "trial": None, "tried": None, "change": ""} | shown


def _text(form: FormData, field: str) -> str:
    value = form.get(field, "")
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _tried(form: FormData) -> list[tuple[str, float]]:
    """Return the values of the sliders that were moved away from the pool's own."""
    moved = []
    for field in SLIDERS:
        try:
            value, at = float(_text(form, field)), float(_text(form, f"{field}_at"))
        except ValueError:
            continue
        if abs(value - at) >= STEP / 2:
            moved.append((field, value))
    return moved


def _stepped(value: float) -> float:
    return round(round(value / STEP) * STEP, 3)


PAGE = Page(
    "try",
    "Try it",
    needs=("RoutingService/SuggestAgents",),
    routes=(Get("", show), Post("", try_message)),
)
