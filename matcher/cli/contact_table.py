"""Table of a contact: its facts, with what it requires of its agent."""

from __future__ import annotations

from google.protobuf.message import Message

from matcher.cli import tables
from matcher.cli.columns import Facts
from matcher.v1 import routing_pb2 as pb


def contact_table(record: pb.Contact, place: str = "", agent: str = "") -> Facts:
    """Return a contact's facts; place: its place in the queue, in words; agent: whose contact it is now."""
    return tables.facts(
        (
            ("contact", tables.short(record.name)),
            ("pool", tables.short(record.pool)),
            ("channel", record.channel),
            ("customer", record.customer),
            ("state", tables.contact_state(record.state)),
            ("because", tables.cause(record.cause)),
            ("waits at", place),
            ("reservation", tables.short(record.reservation)),
            ("agent", agent),
            ("arm", tables.arm(record.arm, record.arm_probability)),
            *_requirements(record),
            ("not offered again to", ", ".join(tables.short(agent) for agent in record.excluded_agents)),
            ("created", tables.time(record.create_time)),
            ("sequence", record.sequence),
        )
    )


def _requirements(record: pb.Contact) -> list[tuple[str, object]]:
    """Return what a contact requires, and until when where that ends."""
    needs, created = record.requirements, record.create_time.ToDatetime()

    def until(given: Message, field: str, word: str) -> str:
        if not given.HasField(field):
            return ""
        return f" {word} {created + getattr(given, field).ToTimedelta():{tables.SECONDS}}"

    return [
        ("requires language", needs.language and needs.language + until(needs, "language_expires_after", "until")),
        (
            "requires skills",
            ", ".join(
                tables.levels([needed]) + until(needed, "expires_after", "until") for needed in needs.required_skills
            ),
        ),
        (
            "prefers",
            ", ".join(
                tables.short(preferred.agent) + until(preferred, "expires_after", "and waits for the agent until")
                for preferred in needs.preferred_agents
            ),
        ),
        ("excludes", ", ".join(map(tables.short, needs.excluded_agents))),
        ("only for", tables.short(needs.only_agent)),
    ]
