"""Tables of the API's answers, for people.

The texts are those of customers and agents: control characters are replaced, and nothing is read as markup.
"""

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
NO_AGENT = "no agent can take the message now"


def table(*columns: str) -> Table:
    """Return an empty table."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def add(table: Table, *cells: object, style: str = "") -> None:
    """Add a row of plain texts."""
    table.add_row(*(Text(visible(str(cell))) for cell in cells), style=style)


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Return a table of names and values, without the values that are empty."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value not in ("", None):
            grid.add_row(name, Text(visible(str(value))))
    return grid


def short(name: str) -> str:
    """Return the id at the end of a resource name."""
    return name.rpartition("/")[2]


def time(stamp: Timestamp) -> str:
    """Return a time as RFC 3339 to the second; "" where it is not set."""
    return stamp.ToDatetime().strftime("%Y-%m-%dT%H:%M:%SZ") if stamp.seconds else ""


def words_met(reasons: Sequence[routing_pb2.MatchReason], text: str, width: int = 60) -> str:
    """Return the words of the text that met interests; without the text, their positions in it."""
    return " · ".join(_words(reason, text, width) for reason in reasons[:REASONS_SHOWN])


def _words(reason: routing_pb2.MatchReason, text: str, width: int) -> str:
    return shortened(text[reason.start : reason.end], width) if text else f"{reason.start} to {reason.end}"


def candidates(ranked: Iterable[routing_pb2.Candidate], text: str = "") -> Table:
    """Return a table of candidates, with a row for each pair of words and the interest they met."""
    grid = table("#", "agent", "name", "affinity", "confidence", "load", "words" if text else "position", "interest")
    for rank, candidate in enumerate(ranked, start=1):
        cells: tuple[object, ...] = (
            rank,
            short(candidate.agent),
            shortened(candidate.display_name, 24),
            f"{candidate.affinity:.3f}",
            f"{candidate.confidence:.2f}",
            f"{candidate.utilization:.0%}",
        )
        for reason in candidate.reasons[:REASONS_SHOWN]:
            add(grid, *cells, _words(reason, text, 48), shortened(reason.interest, 64))
            cells = ("",) * 6
        if not candidate.reasons:
            add(grid, *cells, "", "")
    return grid


def unmatched(reason: routing_pb2.Constraint.ValueType) -> str:
    """Return why a message got no agent, in words."""
    return f"{NO_AGENT}: none is left after the constraint {constraint(reason)}"


def excluded(counts: Iterable[routing_pb2.LeftOutCount]) -> str:
    """Return how many agents each constraint excluded, in words."""
    parts = [f"{count.agents} by {constraint(count.constraint)}" for count in counts if count.agents]
    return f"excluded: {', '.join(parts)}" if parts else "no agent was excluded"


def constraint(value: routing_pb2.Constraint.ValueType) -> str:
    """Return a constraint's name in lower case."""
    return routing_pb2.Constraint.Name(value).removeprefix("CONSTRAINT_").lower()


def reservation(record: routing_pb2.Reservation) -> Table:
    """Return a reservation's facts."""
    return facts(
        (
            ("reservation", short(record.name)),
            ("agent", short(record.agent)),
            ("contact", short(record.contact)),
            ("decision", short(record.decision)),
            ("pool", short(record.pool)),
            ("channel", f"{record.channel} (cost {record.cost})"),
            ("state", routing_pb2.ReservationState.Name(record.state)),
            ("basis", routing_pb2.Basis.Name(record.basis)),
            ("fence", record.fence),
            ("created", time(record.create_time)),
            ("expires", time(record.expire_time)),
            ("accepted", time(record.accept_time)),
            ("ended", time(record.end_time)),
            ("uses no capacity since", time(record.idle_since)),
            ("declined because", record.decline_reason),
        )
    )


def contact(record: routing_pb2.Contact) -> Table:
    """Return a contact's facts."""
    return facts(
        (
            ("contact", short(record.name)),
            ("pool", short(record.pool)),
            ("channel", record.channel),
            ("customer", record.customer),
            ("state", contact_state(record.state)),
            ("because", cause(record.cause)),
            ("waits at", queued(record.queued) if record.HasField("queued") else ""),
            ("reservation", short(record.reservation)),
            ("not offered again to", ", ".join(short(agent) for agent in record.excluded_agents)),
            ("created", time(record.create_time)),
            ("sequence", record.sequence),
        )
    )


def contact_state(state: routing_pb2.ContactState.ValueType) -> str:
    """Return a contact's state without its prefix."""
    return routing_pb2.ContactState.Name(state).removeprefix("CONTACT_")


def cause(value: routing_pb2.Cause.ValueType) -> str:
    """Return the cause of a contact's state, in words."""
    return routing_pb2.Cause.Name(value).removeprefix("CAUSE_").replace("_", " ").lower() if value else ""


def event_line(event: routing_pb2.ContactEvent) -> str:
    """Return an event of a contact as a line."""
    change = f"{short(event.contact)} {event.sequence} {contact_state(event.state)} {cause(event.cause)}"
    subject = f" {short(event.agent)} {short(event.reservation)}".rstrip()
    return f"{time(event.time)} {change}{subject}"


def reservation_line(record: routing_pb2.Reservation) -> str:
    """Return an event of an agent's desk, a reservation, as a line."""
    state = routing_pb2.ReservationState.Name(record.state)
    idle = f" uses no capacity since {time(record.idle_since)}" if record.HasField("idle_since") else ""
    return (
        f"{short(record.name)} {state} {short(record.contact)} {record.channel} until {time(record.expire_time)}{idle}"
    )


def degraded(value: routing_pb2.Degraded.ValueType) -> str:
    """Return in words why a message was not compared with interests; "" where it was."""
    return {routing_pb2.ENCODER_FULL: "the encoder was full", routing_pb2.ENCODER_BROKEN: "the encoder failed"}.get(
        value, ""
    )


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
                ("not compared because", degraded(record.degraded)),
                ("pool", short(record.pool)),
                ("floor, tolerance", f"{record.affinity_floor:.3f}, {record.affinity_tolerance:.3f}"),
                ("units", f"{record.units}{' (the rest merged)' if record.units_merged else ''}"),
                ("eligible agents", f"{record.eligible_agents}; {excluded(record.left_out)}"),
                (
                    "no longer required",
                    ", ".join(
                        f"{lapsed.skill or lapsed.language} since {time(lapsed.time)}" for lapsed in record.relaxed
                    ),
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
    """Return a contact's position in the queue and its wait, in words."""
    estimate = ""
    if place.HasField("estimated_wait"):
        estimate = f", for about {seconds(round(place.estimated_wait.ToTimedelta().total_seconds(), 1))}"
    return f"position {place.position} in the queue{estimate}, at most until {time(place.expire_time)}"


def agent(record: roster_pb2.Agent) -> RenderableType:
    """Return an agent's facts, with the holds."""
    return facts(
        (
            ("agent", short(record.name)),
            ("name", record.display_name),
            ("status", roster_pb2.AgentStatus.Name(record.status)),
            ("because", record.status_reason),
            ("next heartbeat due", time(record.heartbeat_expire_time)),
            ("pools", ", ".join(short(pool) for pool in record.pools)),
            ("languages", ", ".join(record.languages)),
            ("skills", ", ".join(f"{skill.skill} {skill.level}" for skill in record.skills)),
            ("capacity", capacity(record.capacity)),
            ("load", record.load),
            *(("holds", _hold(hold)) for hold in record.holds),
            ("idle since", time(record.idle_since)),
            ("etag", record.etag),
            *(("interest", interest) for interest in record.interests),
        )
    )


def capacity(record: roster_pb2.Capacity) -> str:
    """Return a capacity in words."""
    channels = ", ".join(
        f"{limit.channel} {limit.cost}{f' at most {limit.max}' if limit.max else ''}" for limit in record.channels
    )
    return f"{record.total}; {channels}" if channels else f"{record.total}"


def _hold(hold: roster_pb2.Hold) -> str:
    return f"{short(hold.reservation)} {hold.channel} (cost {hold.cost}) until {time(hold.expire_time)}"


def pool(record: roster_pb2.Pool) -> Table:
    """Return a pool's facts."""
    floor = f"{record.effective_affinity_floor:.3f}{'' if record.HasField('affinity_floor') else ' (computed)'}"
    tolerance = f"{record.effective_affinity_tolerance:.3f}"
    overloaded = roster_pb2.WhenOverloaded.Name(record.when_overloaded)
    return facts(
        (
            ("pool", short(record.name)),
            ("name", record.display_name),
            ("offer", f"{seconds(record.offer_duration.ToTimedelta().total_seconds())}"),
            ("accepted", f"{seconds(record.accepted_duration.ToTimedelta().total_seconds())}"),
            ("wrap-up", f"{seconds(record.wrap_up_duration.ToTimedelta().total_seconds())}"),
            ("scorer", record.scorer or "the service's"),
            ("may wait", f"{seconds(record.wait_duration.ToTimedelta().total_seconds())}"),
            ("waiting now", f"{record.waiting}"),
            ("a second of waiting", f"{record.wait_weight:g} affinity"),
            ("head start", f"{seconds(record.head_start.ToTimedelta().total_seconds())}"),
            ("away after", f"{record.max_missed} missed offers" if record.max_missed else "never"),
            ("idle after", _span(record, "idle_duration", "never")),
            ("relationship lasts", _span(record, "relationship_duration", "never")),
            ("waits for a known agent", f"{seconds(record.relationship_wait.ToTimedelta().total_seconds())}"),
            ("matching window", f"{seconds(record.matching_window.ToTimedelta().total_seconds())}"),
            ("when overloaded", overloaded.removeprefix("WHEN_OVERLOADED_")),
            ("affinity floor", floor),
            ("affinity tolerance", tolerance + ("" if record.HasField("affinity_tolerance") else " (default)")),
            ("etag", record.etag),
        )
    )


def _span(record: roster_pb2.Pool, field: Literal["idle_duration", "relationship_duration"], unset: str) -> str:
    span: Duration = getattr(record, field)
    return seconds(span.ToTimedelta().total_seconds()) if record.HasField(field) else unset


def seconds(value: float) -> str:
    """Return a time span in seconds."""
    return f"{value:g} s"
