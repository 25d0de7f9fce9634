"""The page People: who is on the roster, found by name and by meaning; profiles, statuses and imports."""

from typing import Final

from matcher.web.console.page import Get, Page, Post
from matcher.web.console.pages.people import edit, importing, listing, person

PAGE: Final = Page(
    "people",
    "People",
    needs=("RosterService/ListAgents",),
    routes=(
        Get("", listing.show),
        Get("new", edit.show_new),
        Post("new", edit.create),
        Get("import", importing.show),
        Post("import", importing.preview, importing.MOST_BYTES),
        Post("import/write", importing.write),
        Get("person/{agent}", person.show),
        Post("person/{agent}/status", person.set_status),
        Post("person/{agent}/try", person.try_interest),
        Get("person/{agent}/edit", edit.show_edit),
        Post("person/{agent}/edit", edit.save),
    ),
)

__all__ = ["PAGE"]
