"""Resource names, parsed and built: sites/{site}, and sites/{site}/{kind}/{id} for the resources of a site.

The id of a contact may have a "/", which its name writes as %2F.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from matcher.model import resource_names
from matcher.rpc import id_faults

ID_RULE: Final = 'lower-case letters, digits, "-", "_" and ".", at most 63, starting with a letter or digit'
CONTACT_RULE: Final = 'letters, digits and "-_.:~@<>+=,/", at most 128'

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}").fullmatch
_ID_SIGN: Final = re.compile(r"[a-z0-9_.-]")
_CONTACT: Final = re.compile(r"[A-Za-z0-9_.:~@<>+=,/-]{1,128}").fullmatch
"""Never "|", which separates what the store writes together, nor "{", "}" and "*", which select keys."""
_CONTACT_SIGN: Final = re.compile(r"[A-Za-z0-9_.:~@<>+=,/-]")
_RECORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~-]{0,127}").fullmatch


class Kind(StrEnum):
    """A kind of resource, by the name of its collection."""

    AGENT = "agents"
    POOL = "pools"
    CONTACT = "contacts"
    RESERVATION = "reservations"
    DECISION = "decisions"
    CUSTOMER = "customers"


_ID_OF_KIND: Final = {
    Kind.AGENT: _ID,
    Kind.POOL: _ID,
    Kind.CONTACT: _CONTACT,
    Kind.RESERVATION: _RECORD,
    Kind.DECISION: _RECORD,
    Kind.CUSTOMER: _RECORD,
}

_NAME_OF_KIND: Final = {
    Kind.AGENT: resource_names.agent_name,
    Kind.POOL: resource_names.pool_name,
    Kind.CONTACT: resource_names.contact_name,
    Kind.RESERVATION: resource_names.reservation_name,
    Kind.DECISION: resource_names.decision_name,
    Kind.CUSTOMER: resource_names.customer_name,
}


def is_id(text: str) -> bool:
    """Return whether `text` can be the id of a site, an agent, a pool, a skill or a channel."""
    return _ID(text) is not None


def is_contact_id(text: str) -> bool:
    """Return whether `text` can be the id of a contact."""
    return _CONTACT(text) is not None


def id_fault(text: str) -> str:
    """Return why a text cannot be the id of a site, an agent, a pool, a skill or a channel."""
    return id_faults.fault(text, _ID_SIGN, 63, ID_RULE, id_faults.similar_id)


def contact_id_fault(text: str) -> str:
    """Return why a text cannot be the id of a contact."""
    return id_faults.fault(text, _CONTACT_SIGN, 128, CONTACT_RULE, id_faults.similar_contact_id)


def name_fault(name: str, kind: Kind) -> str:
    """Return why a text is not the name of a resource of a kind."""
    parts = name.split("/", 4)
    if len(parts) == 4 and parts[0] == "sites" and parts[2] == kind.value and _ID(parts[1]) and parts[3]:
        if kind in (Kind.AGENT, Kind.POOL):
            return id_fault(parts[3])
        if kind is Kind.CONTACT:
            return contact_id_fault(resource_names.contact_id(parts[3]))
    return f'is not of the form "sites/{{site}}/{kind}/{{id}}"'


def parse_site(name: str) -> str | None:
    """Return the site of "sites/{site}"; None for any other text."""
    site = name[6:]
    return site if name.startswith("sites/") and _ID(site) else None


def parse(name: str, kind: Kind) -> tuple[str, str] | None:
    """Return the site and the id of "sites/{site}/{kind}/{id}"; None for any other text."""
    parts = name.split("/", 4)
    if len(parts) != 4 or parts[0] != "sites" or parts[2] != kind.value:
        return None
    identifier = resource_names.contact_id(parts[3]) if kind is Kind.CONTACT else parts[3]
    return (parts[1], identifier) if _ID(parts[1]) and _ID_OF_KIND[kind](identifier) else None


def name(kind: Kind, site: str, identifier: str) -> str:
    """Return the name of a resource of a site; "" for the id ""."""
    return _NAME_OF_KIND[kind](site, identifier) if identifier else ""
