"""Invalid requests of CustomerService, each with its wrong fields."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.v1 import customers_pb2 as pb

SITE = "sites/default"


def put(**fields: Any) -> pb.PutCustomerRequest:
    """Return a valid request whose customer has these fields."""
    return pb.PutCustomerRequest(
        parent=SITE,
        customer=pb.Customer(
            **{
                "handles": ["ann@mail"],
                "interests": [pb.CustomerInterest(text="I sail.")],
                "consent": consent(),
                **fields,
            }
        ),
    )


def consent(**fields: Any) -> pb.Consent:
    """Return a valid consent with these fields."""
    return pb.Consent(
        **{"basis": "terms", "time": Timestamp(seconds=9), "expire_time": Timestamp(seconds=99), **fields}
    )


CUSTOMER_CASES: dict[str, tuple[Any, set[str]]] = {
    "a customer without anything": (pb.PutCustomerRequest(), {"parent", "customer.handles"}),
    "interests without a consent": (put(consent=None), {"customer.consent"}),
    "a consent without interests": (put(interests=[]), {"customer.consent"}),
    "a consent that says nothing": (
        put(consent=pb.Consent(basis=" ")),
        {"customer.consent.basis", "customer.consent.time", "customer.consent.expire_time"},
    ),
    "a consent that ends before it begins": (
        put(consent=consent(expire_time=Timestamp(seconds=9))),
        {"customer.consent.expire_time"},
    ),
    "a consent for ever": (
        put(consent=consent(expire_time=Timestamp(seconds=10 * 366 * 86_400))),
        {"customer.consent.expire_time"},
    ),
    "a consent of no time, with a long basis": (
        put(consent=consent(time=Timestamp(seconds=-9, nanos=-1), basis="b" * 257)),
        {"customer.consent.time", "customer.consent.basis"},
    ),
    "interests that are too long, empty, the same, or of a long source": (
        put(
            interests=[
                pb.CustomerInterest(text="x" * 513),
                pb.CustomerInterest(text=" "),
                pb.CustomerInterest(text="I sail."),
                pb.CustomerInterest(text="i SAIL. ", source="s" * 129),
            ]
        ),
        {
            "customer.interests[0].text",
            "customer.interests[1].text",
            "customer.interests[3]",
            "customer.interests[3].source",
        },
    ),
    "too many interests and handles": (
        put(
            interests=[pb.CustomerInterest(text=f"I sail boat {number}.") for number in range(17)],
            handles=[f"h{number}" for number in range(17)],
        ),
        {"customer.interests", "customer.handles"},
    ),
    "handles that are empty, the same or too long": (
        put(handles=["", "ann", "ann", "a" * 257]),
        {"customer.handles[0]", "customer.handles[2]", "customer.handles[3]"},
    ),
    "a customer of another site": (put(name="sites/acme/customers/c0ffee"), {"customer.name"}),
    "a request id of many lines": (
        pb.PutCustomerRequest(parent=SITE, customer=pb.Customer(handles=["ann"]), request_id="a\nb"),
        {"request_id"},
    ),
    "no customer to read": (pb.GetCustomerRequest(name="ann@mail"), {"name"}),
    "nobody to look up": (pb.LookupCustomerRequest(), {"parent", "handle"}),
    "a page of no customers": (
        pb.ListCustomersRequest(parent="x", page_size=-1, page_token="x"),
        {"parent", "page_size", "page_token"},
    ),
    "no customer to forget": (pb.ForgetCustomerRequest(name="sites/default/agents/maya"), {"name"}),
    "a customer to forget by name and by handle": (
        pb.ForgetCustomerRequest(name="sites/default/customers/c0ffee", parent="x", handle="a" * 257),
        {"name", "parent", "handle"},
    ),
    "a site of which nobody is to be forgotten": (pb.ForgetCustomerRequest(parent=SITE), {"handle"}),
    "nobody to forget": (pb.ForgetCustomerRequest(), {"name"}),
    "one handle to be joined": (pb.LinkCustomersRequest(parent=SITE, handles=["ann"]), {"handles"}),
}
