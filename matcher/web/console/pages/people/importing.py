"""Importing a roster file: what every row would change is shown first, and written when the visitor says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from starlette.datastructures import UploadFile
from starlette.responses import Response

from matcher.files.roster_file import RosterFile, form_named
from matcher.web.console.pages.people.preview import Preview, preview_of, read, steps
from matcher.web.console.pages.people.uploads import Upload, Uploads
from matcher.web.console.visitor import Visitor

MOST_BYTES: Final = 8 * 2**20
"""Of the form with the file: some 25,000 people with ten interests each. `matcher agents import` has no limit."""
FILE_MISSING: Final = "Choose a file: .csv, .json or .jsonl."
FORM_UNKNOWN: Final = "The name ends in none of .csv, .json and .jsonl. A spreadsheet saves one as “CSV UTF-8”."
NOBODY: Final = "The file names nobody."
ENDED: Final = "The preview has ended: it is kept for ten minutes, and not over a restart. Choose the file again."
CHANGED: Final = "Somebody changed these people since you looked: this is what the file would do now."


async def show(visitor: Visitor) -> Response:
    """Show the form that takes a file."""
    return _page(visitor)


async def preview(visitor: Visitor) -> Response:
    """Show what a file would do; nothing is written."""
    given = visitor.form.get("file")
    if not isinstance(given, UploadFile) or not given.filename:
        return _page(visitor, wrong=FILE_MISSING)
    form = form_named(given.filename)
    if form is None:
        return _page(visitor, wrong=FORM_UNKNOWN)
    with_status, as_is = (bool(visitor.form.get(field)) for field in ("with_status", "as_is"))
    data = await given.read()
    upload = Upload(given.filename, data, form, with_status, as_is, visitor.site, visitor.csrf)
    return await _looked_at(visitor, upload)


async def write(visitor: Visitor) -> Response:
    """Write what the visitor has seen; where it would do something else by now, show that instead."""
    token = visitor.form.get("upload")
    upload = _uploads(visitor).take(token if isinstance(token, str) else "", visitor.csrf, visitor.site)
    if upload is None:
        return _page(visitor, wrong=ENDED)
    roster = await _roster(upload)
    now = await _asked(visitor, roster, validate_only=True)
    if now.digest != upload.digest:
        return await _looked_at(visitor, upload, said=CHANGED)
    done = await _asked(visitor, roster, validate_only=False)
    return visitor.page("people_import.html", upload=upload.name, preview=done, token="", said="", wrong="", done=True)


async def _looked_at(visitor: Visitor, upload: Upload, said: str = "") -> Response:
    roster = await _roster(upload)
    if not roster.good and not roster.bad:
        return _page(visitor, wrong=NOBODY)
    found = await _asked(visitor, roster, validate_only=True)
    token = ""
    if found.writes:
        token = _uploads(visitor).keep(replace(upload, digest=found.digest))
    return visitor.page(
        "people_import.html",
        status=409 if said else 200,
        upload=upload.name,
        preview=found,
        token=token,
        said=said,
        wrong="",
        done=False,
    )


async def _roster(upload: Upload) -> RosterFile:
    """Read a file off the event loop: 8 MiB take seconds."""
    return await asyncio.to_thread(
        read, upload.data, upload.form, upload.site, with_status=upload.with_status, as_is=upload.as_is
    )


async def _asked(visitor: Visitor, roster: RosterFile, *, validate_only: bool) -> Preview:
    rows = steps(visitor.site_name, roster.good, validate_only=validate_only)
    return await preview_of(roster, visitor.exchange(visitor.stubs.roster.ImportAgents, rows))


def _page(visitor: Visitor, wrong: str = "") -> Response:
    status = 400 if wrong else 200
    return visitor.page(
        "people_import.html", status=status, upload="", preview=None, token="", said="", wrong=wrong, done=False
    )


def _uploads(visitor: Visitor) -> Uploads:
    return visitor.shelf.get(Uploads, Uploads)
