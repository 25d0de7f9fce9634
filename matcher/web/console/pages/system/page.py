"""The page System and the forms of its keys."""

from __future__ import annotations

import time

from starlette.responses import Response

from matcher.v1.keys_pb2 import ListKeysRequest, RevokeKeyRequest
from matcher.web.console.access import reason_of
from matcher.web.console.advice import Refusal, refusal_of
from matcher.web.console.page import Get, Page, Post
from matcher.web.console.pages.system.keys import ROLES, KeyLine, creation_of, key_lines, rotation_of
from matcher.web.console.pages.system.state import state_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

REFUSED: tuple[int, ...] = (400, 404, 409)
"""HTTP codes of a form that the visitor can mend: the page is shown again with what is wrong."""


async def show(visitor: Visitor) -> Response:
    """Show the page."""
    return await _page(visitor, None)


async def create(visitor: Visitor) -> Response:
    """Make a key, and show its text once."""
    try:
        made = await visitor.ask(visitor.stubs.keys.CreateKey, creation_of(visitor.form))
    except Fault as fault:
        return await _again(visitor, fault)
    return visitor.page("system_key.html", key=made.key, text=made.text, overlap=False)


async def rotate(visitor: Visitor) -> Response:
    """Make the next key of a principal, and show its text once."""
    try:
        made = await visitor.ask(visitor.stubs.keys.RotateKey, rotation_of(visitor.form))
    except Fault as fault:
        return await _again(visitor, fault)
    return visitor.page("system_key.html", key=made.key, text=made.text, overlap=True)


async def revoke(visitor: Visitor) -> Response:
    """Revoke a key."""
    try:
        request = RevokeKeyRequest(name=f"keys/{visitor.form.get('key', '')}")
        await visitor.ask(visitor.stubs.keys.RevokeKey, request)
    except Fault as fault:
        return await _again(visitor, fault)
    return visitor.go("system")


async def _again(visitor: Visitor, fault: Fault) -> Response:
    if fault.http not in REFUSED:
        raise fault
    return await _page(visitor, refusal_of(fault))


async def _page(visitor: Visitor, refusal: Refusal | None) -> Response:
    state = await state_of(visitor)
    keys, keys_off = await _keys(visitor)
    return visitor.page(
        "system.html",
        state=state,
        keys=keys,
        keys_off=keys_off,
        roles=ROLES,
        refusal=refusal,
        now_is=time.time(),
        status=refusal.code if refusal is not None else 200,
    )


async def _keys(visitor: Visitor) -> tuple[tuple[KeyLine, ...] | None, str]:
    """Return the keys, or None and why they are not shown."""
    try:
        listed = await visitor.ask(visitor.stubs.keys.ListKeys, ListKeysRequest())
    except Fault as fault:
        reason = reason_of(fault)
        if reason in ("PERMISSION_DENIED", "ACCESS_KEYS_OFF", "STORE_UNAVAILABLE"):
            return None, reason
        raise
    return key_lines(listed.keys, time.time()), ""


PAGE = Page(
    "system",
    "System",
    needs=("RosterService/GetUsage",),
    routes=(
        Get("", show),
        Post("keys/create", create),
        Post("keys/rotate", rotate),
        Post("keys/revoke", revoke),
    ),
)
