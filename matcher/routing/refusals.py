"""Refusals of the store's reserve, as the errors that a caller gets."""

from __future__ import annotations

from matcher.errors import (
    ContactEnded,
    ContactHeld,
    ContactMoved,
    ContactNotFound,
    ContactStateWrong,
    FieldsInvalid,
    FieldViolation,
    MatcherError,
    QuotaExceeded,
    RequestIdReused,
    SiteQuotaExceeded,
)
from matcher.model.resource_names import contact_name, reservation_name, site_name
from matcher.store.reservations import Refused, ReserveRequest


def refusal_of(reserve: ReserveRequest, refused: Refused) -> MatcherError:  # noqa: PLR0911 - one line for each reason
    """Return the error of a reserve that the store refused."""
    contact = contact_name(reserve.site, reserve.contact)
    match refused.why:
        case "quota":
            quota, limit = refused.detail.split("|")
            if quota.startswith("own_"):
                return QuotaExceeded(quota, limit)
            return SiteQuotaExceeded(site_name(reserve.site), quota, limit)
        case "foreign":
            return ContactNotFound(contact)
        case "reused":
            return RequestIdReused(reserve.request_id)
        case "live":
            return ContactHeld(contact, reservation_name(reserve.site, refused.detail))
        case "state":
            return ContactStateWrong(contact, refused.detail, "handed on")
        case "moved":
            return ContactMoved(contact)
        case "differs":
            names = refused.detail.split("|")
            return FieldsInvalid(
                [FieldViolation(f"message.{name}", "differs from the contact's own") for name in names]
            )
        case _:
            return ContactEnded(contact, refused.detail)
