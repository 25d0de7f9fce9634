"""A page of the console: where it is, what it is called, whom the navigation shows it to, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.responses import Response

from matcher.web.console.visitor import Visitor

Handler: TypeAlias = "Callable[[Visitor], Awaitable[Response]]"

FORM_BYTES: Final = 2**20
"""The most bytes of a form, where its route says nothing else."""


@dataclass(frozen=True, slots=True)
class Get:
    """A path below the page that is read; path: "" or as Starlette writes it, "decision/{decision}"."""

    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Post:
    """A path below the page that a form is sent to."""

    path: str
    handler: Handler
    most_bytes: int = FORM_BYTES


@dataclass(frozen=True, slots=True)
class Page:
    """A page. needs: methods ("RosterService/ListAgents") of which a visitor needs one; (): shown to all."""

    path: str
    title: str
    needs: tuple[str, ...]
    routes: tuple[Get | Post, ...]
