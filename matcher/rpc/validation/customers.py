"""Validates the requests of CustomerService, and returns their arguments as domain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.model.customers import Consent, CustomerInterest, CustomerWrite
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.messages import MOST_CUSTOMER
from matcher.rpc.validation.violations import MISSING, YEAR, Violations
from matcher.v1 import customers_pb2 as pb

MOST_HANDLES: Final = 16
LEAST_JOINED: Final = 2
MOST_INTERESTS: Final = 16
MOST_INTEREST: Final = 512
MOST_SOURCE: Final = 128
MOST_BASIS: Final = 256
MOST_REQUEST_ID: Final = 128
LONGEST_CONSENT_MS: Final = 10 * YEAR


def put(request: pb.PutCustomerRequest) -> tuple[str, CustomerWrite]:
    """Check a PutCustomerRequest; return site and what is to be remembered; raise FieldsInvalid."""
    wrong, given = Violations(), request.customer
    site = wrong.site("parent", request.parent)
    customer = wrong.of_site("customer.name", given.name, Kind.CUSTOMER, site) if given.name else ""
    handles = handles_of(wrong, "customer.handles", given.handles)
    if not given.name and not handles:
        wrong.note("customer.handles", "is empty; a customer without a name needs at least one handle")
    interests = _interests(wrong, given.interests)
    consent = _consent(wrong, given) if interests or given.HasField("consent") else None
    if consent is not None and not interests:
        wrong.note("customer.consent", "is given, but there are no interests")
    request_id = wrong.at_most("request_id", request.request_id, MOST_REQUEST_ID)
    if not request_id.isprintable():
        wrong.note("request_id", "has characters that are not printable")
    wrong.refuse()
    digest = _bytes_of(request)
    return site, CustomerWrite(customer, handles, interests, consent, request_id, digest, request.validate_only)


def handles_of(wrong: Violations, field: str, handles: Sequence[str]) -> tuple[str, ...]:
    """Check the handles of one customer."""
    listed = wrong.first(field, handles, MOST_HANDLES)
    wrong.unique(field, listed)
    for number, handle in enumerate(listed):
        if not handle:
            wrong.note(f"{field}[{number}]", "is empty")
        wrong.at_most(f"{field}[{number}]", handle, MOST_CUSTOMER)
    return tuple(listed)


def link(request: pb.LinkCustomersRequest) -> tuple[str, tuple[str, ...]]:
    """Check a LinkCustomersRequest; return site and handles; raise FieldsInvalid."""
    return joined("handles", request.parent, request.handles)


def joined(field: str, parent: str, handles: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Check handles that are to be joined; return site and handles; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", parent)
    if len(handles) < LEAST_JOINED:
        wrong.note(field, f"has {len(handles)} entries; at least {LEAST_JOINED} are needed")
    checked = handles_of(wrong, field, handles)
    wrong.refuse()
    return site, checked


def lookup(request: pb.LookupCustomerRequest) -> tuple[str, str]:
    """Check a LookupCustomerRequest; return site and handle; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    if not request.handle:
        wrong.note("handle", MISSING)
    handle = wrong.at_most("handle", request.handle, MOST_CUSTOMER)
    wrong.refuse()
    return site, handle


def forget(request: pb.ForgetCustomerRequest) -> tuple[str, str, str]:
    """Check a ForgetCustomerRequest; return site, customer and handle, of which one is ""; raise FieldsInvalid."""
    wrong, site, customer = Violations(), "", ""
    if request.handle or request.parent:
        site = wrong.site("parent", request.parent)
        if not request.handle:
            wrong.note("handle", MISSING)
        if request.name:
            wrong.note("name", "is given with a handle: one of them says who the customer is")
    else:
        site, customer = wrong.resource("name", request.name, Kind.CUSTOMER)
    handle = wrong.at_most("handle", request.handle, MOST_CUSTOMER)
    wrong.refuse()
    return site, customer, handle


def customers(request: pb.ListCustomersRequest, listing: str) -> tuple[str, int, str]:
    """Check a ListCustomersRequest; return site, page size, last key; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    most, after = wrong.page(request.page_size, request.page_token, listing)
    wrong.refuse()
    return site, most, after


def _interests(wrong: Violations, given: Sequence[pb.CustomerInterest]) -> tuple[CustomerInterest, ...]:
    field, interests = "customer.interests", list[CustomerInterest]()
    for number, interest in enumerate(wrong.first(field, given, MOST_INTERESTS)):
        text = interest.text.strip()
        if not text:
            wrong.note(f"{field}[{number}].text", "is empty")
        wrong.at_most(f"{field}[{number}].text", text, MOST_INTEREST)
        source = wrong.at_most(f"{field}[{number}].source", interest.source, MOST_SOURCE)
        interests.append(CustomerInterest("", text, source))
    wrong.unique(field, (one.text.casefold() or f"\n{number}" for number, one in enumerate(interests)))
    return tuple(interests)


def _consent(wrong: Violations, customer: pb.Customer) -> Consent:
    field, consent = "customer.consent", customer.consent
    if not customer.HasField("consent"):
        wrong.note(field, f"{MISSING}: interests are remembered with the customer's consent only")
        return Consent("", 0, 0, shareable=False)
    if not consent.basis.strip():
        wrong.note(f"{field}.basis", "is empty")
    basis = wrong.at_most(f"{field}.basis", consent.basis, MOST_BASIS)
    time_ms = _time(wrong, f"{field}.time", consent.time, given=consent.HasField("time"))
    expires_ms = _time(wrong, f"{field}.expire_time", consent.expire_time, given=consent.HasField("expire_time"))
    if time_ms and expires_ms and not time_ms < expires_ms <= time_ms + LONGEST_CONSENT_MS:
        wrong.note(f"{field}.expire_time", "must be after `time`, at most ten years")
    return Consent(basis, time_ms, expires_ms, consent.shareable)


def _time(wrong: Violations, field: str, given_time: Timestamp, *, given: bool) -> int:
    """Return a time in milliseconds; 0 where it is missing or wrong."""
    if not given:
        wrong.note(field, MISSING)
        return 0
    return wrong.time(field, given_time)


def _bytes_of(request: pb.PutCustomerRequest) -> bytes:
    """Return the request as bytes, without its request_id; b"" where it has none."""
    if not request.request_id:
        return b""
    bare = pb.PutCustomerRequest()
    bare.CopyFrom(request)
    bare.ClearField("request_id")
    return b"customer|" + bare.SerializeToString(deterministic=True)
