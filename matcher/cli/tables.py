"""Answers as tables for people. Everything shown is text of other people: it is made visible, never marked up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.cli.terminal_text import shortened, visible
from matcher.v1 import roster_pb2, routing_pb2

REASONS_SHOWN = 3


def table(*columns: str) -> Table:
    """Return an empty table."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def add(made: Table, *cells: object, style: str = "") -> None:
    """Add a row of plain texts."""
    made.add_row(*(Text(visible(str(cell))) for cell in cells), style=style)


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Return a table of names and values; values that say nothing are left out."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in ("", None):
            made.add_row(name, Text(visible(str(value))))
    return made


def short(name: str) -> str:
    """Return the id at the end of a resource name."""
    return name.rpartition("/")[2]


def time(stamp: Timestamp) -> str:
    """Return a time as RFC 3339 to the second; "" where it is not set."""
    return stamp.ToDatetime().strftime("%Y-%m-%dT%H:%M:%SZ") if stamp.seconds else ""


def words_met(reasons: Sequence[routing_pb2.MatchReason], text: str, width: int = 60) -> str:
    """Return the words of the text that met interests, sliced here by their place; without a text, their places."""
    return " · ".join(_words(reason, text, width) for reason in reasons[:REASONS_SHOWN])


def _words(reason: routing_pb2.MatchReason, text: str, width: int) -> str:
    return shortened(text[reason.start : reason.end], width) if text else f"{reason.start} to {reason.end}"


def candidates(found: Iterable[routing_pb2.Candidate], text: str = "") -> Table:
    """Return who was considered, a line for each meeting of words and an interest."""
    made = table("#", "agent", "name", "affinity", "confidence", "load", "words" if text else "place", "interest")
    for place, candidate in enumerate(found, start=1):
        said: tuple[object, ...] = (
            place,
            short(candidate.agent),
            shortened(candidate.display_name, 24),
            f"{candidate.affinity:.3f}",
            f"{candidate.confidence:.2f}",
            f"{candidate.utilization:.0%}",
        )
        for reason in candidate.reasons[:REASONS_SHOWN]:
            add(made, *said, _words(reason, text, 48), shortened(reason.interest, 64))
            said = ("",) * 6
        if not candidate.reasons:
            add(made, *said, "", "")
    return made


def left_out(counts: Iterable[routing_pb2.LeftOutCount]) -> str:
    """Return how many agents each constraint left out, in words."""
    said = [f"{one.agents} by {constraint(one.constraint)}" for one in counts if one.agents]
    return f"left out: {', '.join(said)}" if said else "nobody was left out"


def constraint(value: routing_pb2.Constraint.ValueType) -> str:
    """Return a constraint's word."""
    return routing_pb2.Constraint.Name(value).removeprefix("CONSTRAINT_").lower()


def reservation(held: routing_pb2.Reservation) -> Table:
    """Return a reservation's facts."""
    return facts(
        (
            ("reservation", short(held.name)),
            ("agent", short(held.agent)),
            ("contact", short(held.contact)),
            ("decision", short(held.decision)),
            ("pool", short(held.pool)),
            ("channel", f"{held.channel} (cost {held.cost})"),
            ("state", routing_pb2.ReservationState.Name(held.state)),
            ("basis", routing_pb2.Basis.Name(held.basis)),
            ("fence", held.fence),
            ("created", time(held.create_time)),
            ("expires", time(held.expire_time)),
            ("accepted", time(held.accept_time)),
            ("ended", time(held.end_time)),
            ("counts nothing since", time(held.idle_since)),
            ("declined because", held.decline_reason),
        )
    )


def contact(brought: routing_pb2.Contact) -> Table:
    """Return a contact's facts."""
    return facts(
        (
            ("contact", short(brought.name)),
            ("pool", short(brought.pool)),
            ("channel", brought.channel),
            ("customer", brought.customer),
            ("state", contact_state(brought.state)),
            ("because", cause(brought.cause)),
            ("place", queued(brought.queued) if brought.HasField("queued") else ""),
            ("reservation", short(brought.reservation)),
            ("not offered again to", ", ".join(short(agent) for agent in brought.excluded_agents)),
            ("came in", time(brought.create_time)),
            ("sequence", brought.sequence),
        )
    )


def contact_state(state: routing_pb2.ContactState.ValueType) -> str:
    """Return a contact's state in short."""
    return routing_pb2.ContactState.Name(state).removeprefix("CONTACT_")


def cause(why: routing_pb2.Cause.ValueType) -> str:
    """Return why a contact came to its state, in words."""
    return routing_pb2.Cause.Name(why).removeprefix("CAUSE_").replace("_", " ").lower() if why else ""


def step(told: routing_pb2.ContactEvent) -> str:
    """Return a step in the life of a contact as a line."""
    who = f" {short(told.agent)} {short(told.reservation)}".rstrip()
    return (
        f"{time(told.time)} {short(told.contact)} {told.sequence} {contact_state(told.state)} {cause(told.cause)}{who}"
    )


def held(one: routing_pb2.Reservation) -> str:
    """Return a reservation of a desk as a line."""
    state = routing_pb2.ReservationState.Name(one.state)
    idle = f" counts nothing since {time(one.idle_since)}" if one.HasField("idle_since") else ""
    return f"{short(one.name)} {state} {short(one.contact)} {one.channel} until {time(one.expire_time)}{idle}"


def decision(record: routing_pb2.Decision) -> RenderableType:
    """Return a decision's facts and candidates."""
    return Group(
        facts(
            (
                ("decision", short(record.name)),
                ("contact", short(record.contact)),
                ("reservation", short(record.reservation)),
                ("agent", short(record.agent)),
                ("basis", routing_pb2.Basis.Name(record.basis)),
                ("pool", short(record.pool)),
                ("floor, tolerance", f"{record.affinity_floor:.3f}, {record.affinity_tolerance:.3f}"),
                ("units", f"{record.units}{' (the rest merged)' if record.units_merged else ''}"),
                ("eligible agents", f"{record.eligible_agents}; {left_out(record.left_out)}"),
                (
                    "no longer required",
                    ", ".join(f"{one.skill or one.language} since {time(one.time)}" for one in record.relaxed),
                ),
                ("model", record.model),
                ("scorer", record.scorer),
                ("made", time(record.create_time)),
            )
        ),
        Text(),
        candidates(record.candidates),
    )


def queued(place: routing_pb2.Queued) -> str:
    """Return a place in a queue."""
    likely = ""
    if place.HasField("estimated_wait"):
        likely = f", likely for {seconds(round(place.estimated_wait.ToTimedelta().total_seconds(), 1))}"
    return f"number {place.position} in line{likely}, at most until {time(place.expire_time)}"


def agent(person: roster_pb2.Agent) -> RenderableType:
    """Return an agent's facts, with what is held."""
    return facts(
        (
            ("agent", short(person.name)),
            ("name", person.display_name),
            ("status", roster_pb2.AgentStatus.Name(person.status)),
            ("because", person.status_reason),
            ("next heartbeat due", time(person.heartbeat_expire_time)),
            ("pools", ", ".join(short(pool) for pool in person.pools)),
            ("languages", ", ".join(person.languages)),
            ("skills", ", ".join(f"{one.skill} {one.level}" for one in person.skills)),
            ("capacity", capacity(person.capacity)),
            ("load", person.load),
            *(("holds", _hold(hold)) for hold in person.holds),
            ("idle since", time(person.idle_since)),
            ("etag", person.etag),
            *(("interest", interest) for interest in person.interests),
        )
    )


def capacity(limit: roster_pb2.Capacity) -> str:
    """Return a capacity in words."""
    channels = ", ".join(
        f"{one.channel} {one.cost}{f' at most {one.max}' if one.max else ''}" for one in limit.channels
    )
    return f"{limit.total}; {channels}" if channels else f"{limit.total}"


def _hold(hold: roster_pb2.Hold) -> str:
    return f"{short(hold.reservation)} {hold.channel} (cost {hold.cost}) until {time(hold.expire_time)}"


def pool(team: roster_pb2.Pool) -> Table:
    """Return a pool's facts."""
    floor = f"{team.effective_affinity_floor:.3f}{'' if team.HasField('affinity_floor') else ' (computed)'}"
    tolerance = f"{team.effective_affinity_tolerance:.3f}"
    return facts(
        (
            ("pool", short(team.name)),
            ("name", team.display_name),
            ("offer", f"{seconds(team.offer_duration.ToTimedelta().total_seconds())}"),
            ("accepted", f"{seconds(team.accepted_duration.ToTimedelta().total_seconds())}"),
            ("wrap-up", f"{seconds(team.wrap_up_duration.ToTimedelta().total_seconds())}"),
            ("scorer", team.scorer or "the service's"),
            ("may wait", f"{seconds(team.wait_duration.ToTimedelta().total_seconds())}"),
            ("waiting now", f"{team.waiting}"),
            ("a second of waiting", f"{team.wait_weight:g} affinity"),
            ("head start", f"{seconds(team.head_start.ToTimedelta().total_seconds())}"),
            ("away after", f"{team.max_missed} missed offers" if team.max_missed else "never"),
            ("idle after", _span(team, "idle_duration", "never")),
            ("leads back for", _span(team, "relationship_duration", "never")),
            ("kept for who is known", f"{seconds(team.relationship_wait.ToTimedelta().total_seconds())}"),
            ("decides jointly over", f"{seconds(team.matching_window.ToTimedelta().total_seconds())}"),
            ("affinity floor", floor),
            ("affinity tolerance", tolerance + ("" if team.HasField("affinity_tolerance") else " (default)")),
            ("etag", team.etag),
        )
    )


def _span(team: roster_pb2.Pool, field: Literal["idle_duration", "relationship_duration"], unset: str) -> str:
    span: Duration = getattr(team, field)
    return seconds(span.ToTimedelta().total_seconds()) if team.HasField(field) else unset


def seconds(value: float) -> str:
    """Return a time span in seconds."""
    return f"{value:g} s"
