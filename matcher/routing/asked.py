"""What a route asks for, as one thing that can be gathered with others."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.model import Message, Outcome, Wait
from matcher.routing.router import Decided, Router


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What a route asks for; digest: what it asks for as bytes, of which only a keyed digest is kept.

    It has no repr, so that no log line can show the bytes.
    """

    message: Message
    contact_id: str = ""
    request_id: str = ""
    digest: bytes = b""
    auto_accept: bool = False
    explain_unmatched: bool = False
    wait: Wait | None = None

    async def route(self, router: Router, site: str, decided: Decided | None = None) -> Outcome:
        """Route it, alone or as was decided for it with others; raise what the router raises."""
        return await router.route(
            site,
            self.message,
            contact_id=self.contact_id,
            request_id=self.request_id,
            digest=self.digest,
            auto_accept=self.auto_accept,
            explain_unmatched=self.explain_unmatched,
            wait=self.wait,
            decided=decided,
        )

    async def answered(self, router: Router, site: str) -> Outcome | None:
        """Return what it was answered before, None where it is new; raise what the router raises."""
        if not (self.request_id or self.contact_id):
            return None
        return await router.answered(
            site,
            self.message,
            contact_id=self.contact_id,
            request_id=self.request_id,
            digest=self.digest,
            auto_accept=self.auto_accept,
        )
