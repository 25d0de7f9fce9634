"""Tables of the API's answers, for people.

The texts are those of customers and agents: control characters are replaced, and nothing is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from matcher.cli.columns import Facts
from matcher.cli.terminal_text import visible
from matcher.model.durations import in_words
from matcher.v1 import roster_pb2, routing_pb2

LONG_SECONDS = 120
SECONDS = "%Y-%m-%dT%H:%M:%SZ"
NO_AGENT = "no agent can take the message now"
SILENT = {
    roster_pb2.UNKNOWN_TO_MODEL: "the serving model knows no word of it",
    roster_pb2.SMALL_TALK: "it is small talk",
}
NOBODY: Final[Mapping[int, str]] = {
    routing_pb2.CONSTRAINT_POOL: "nobody is in the pool",
    routing_pb2.CONSTRAINT_EXCLUDED: "everybody in the pool is excluded",
    routing_pb2.CONSTRAINT_CHANNEL: "nobody who may take it serves the channel",
    routing_pb2.CONSTRAINT_LANGUAGE: "nobody who may take it speaks the language",
    routing_pb2.CONSTRAINT_SKILL: "nobody who may take it has the skills",
    routing_pb2.CONSTRAINT_STATUS: "nobody who may take it is ONLINE",
    routing_pb2.CONSTRAINT_CAPACITY: "nobody who may take it has free capacity",
    routing_pb2.CONSTRAINT_KEPT_FOR_WAITING: "who has free capacity is kept for contacts that wait already",
}
"""Why none is left after a constraint."""
LEFT_OUT: Final[Mapping[int, str]] = {
    routing_pb2.CONSTRAINT_POOL: "not in the pool",
    routing_pb2.CONSTRAINT_EXCLUDED: "excluded",
    routing_pb2.CONSTRAINT_CHANNEL: "without the channel",
    routing_pb2.CONSTRAINT_LANGUAGE: "without the language",
    routing_pb2.CONSTRAINT_SKILL: "without the skills",
    routing_pb2.CONSTRAINT_STATUS: "not ONLINE",
    routing_pb2.CONSTRAINT_CAPACITY: "without free capacity",
    routing_pb2.CONSTRAINT_KEPT_FOR_WAITING: "kept for contacts that wait",
}
"""What is said of an agent whom a constraint leaves out."""


def counted(count: int, thing: str) -> str:
    """Return a count in words: "1 contact", "2 contacts"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def table(*columns: str) -> Table:
    """Return an empty table."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def add(table: Table, *cells: object, style: str = "") -> None:
    """Add a row of plain texts."""
    table.add_row(*(Text(visible(str(cell))) for cell in cells), style=style)


def facts(pairs: Iterable[tuple[str, object]]) -> Facts:
    """Return names and values, one a line, without the values that are empty."""
    return Facts(pairs)


def short(name: str) -> str:
    """Return the id at the end of a resource name; a contact's "/" is written %2F there."""
    return name.rpartition("/")[2].replace("%2F", "/")


def time(stamp: Timestamp) -> str:
    """Return a time as RFC 3339 to the second; "" where it is not set."""
    return f"{stamp.ToDatetime():{SECONDS}}" if stamp.seconds else ""


def unmatched(reason: routing_pb2.Constraint.ValueType, lacking: str = "") -> str:
    """Return why a message got no agent, in words; lacking: the language or the skills that leave nobody."""
    return f"{NO_AGENT}: {nobody(reason)}{f': {lacking}' if lacking else ''}"


def nobody(reason: routing_pb2.Constraint.ValueType) -> str:
    """Return why no agent is left after a constraint, in words."""
    return NOBODY.get(reason, routing_pb2.Constraint.Name(reason))


def levels(skills: Iterable[routing_pb2.RequiredSkill]) -> str:
    """Return required skills with their levels: "law 3, tax 1"."""
    return ", ".join(f"{required.skill} {required.level}" for required in skills)


def left_out(counts: Iterable[routing_pb2.LeftOutCount]) -> str:
    """Return how many agents each constraint left out, in words."""
    parts = [f"{count.agents} {constraint(count.constraint)}" for count in counts if count.agents]
    return f"left out: {', '.join(parts)}" if parts else "no agent was left out"


def constraint(value: routing_pb2.Constraint.ValueType) -> str:
    """Return what a constraint says of an agent whom it leaves out."""
    return LEFT_OUT.get(value, routing_pb2.Constraint.Name(value))


def constraint_name(value: routing_pb2.Constraint.ValueType) -> str:
    """Return a constraint's name without its prefix: "skill"."""
    return routing_pb2.Constraint.Name(value).removeprefix("CONSTRAINT_").lower()


def reservation(record: routing_pb2.Reservation) -> Facts:
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
            ("ends as", routing_pb2.ReservationState.Name(record.ends_as) if record.ends_as else ""),
            ("basis", routing_pb2.Basis.Name(record.basis)),
            ("assigned by", record.actor),
            ("over capacity", "yes" if record.over_capacity else ""),
            ("fence", record.fence),
            ("created", time(record.create_time)),
            (
                "wrap-up until" if record.state == routing_pb2.WRAPPING else "expires",
                time(record.expire_time)
                if record.state in (routing_pb2.PENDING, routing_pb2.ACCEPTED, routing_pb2.WRAPPING)
                else "",
            ),
            ("first answer", f"due by {time(record.expire_time)}: touch it" if record.first_response_due else ""),
            ("accepted", time(record.accept_time)),
            ("ended", time(record.end_time)),
            ("uses no capacity since", time(record.idle_since)),
            ("declined because", record.decline_reason),
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
    return f"{time(event.time)} {change}" + f" {short(event.agent)} {short(event.reservation)}".rstrip()


def reservation_line(record: routing_pb2.Reservation) -> str:
    """Return an event of an agent's desk, a reservation, as a line."""
    state = routing_pb2.ReservationState.Name(record.state)
    idle = f" uses no capacity since {time(record.idle_since)}" if record.HasField("idle_since") else ""
    answer = " first answer due" if record.first_response_due else ""
    ends_as = f", then {routing_pb2.ReservationState.Name(record.ends_as)}" if record.ends_as else ""
    return (
        f"{short(record.name)} {state} {short(record.contact)} {record.channel}"
        f" until {time(record.expire_time)}{ends_as}{idle}{answer}"
    )


def degraded(value: routing_pb2.Degraded.ValueType) -> str:
    """Return in words why a message was not compared with interests; "" where it was."""
    return {routing_pb2.ENCODER_FULL: "the encoder was full", routing_pb2.ENCODER_BROKEN: "the encoder failed"}.get(
        value, ""
    )


WOULD_BE: Final = ("the other arm's choice", "the service's choice")


def facts_of_decision(record: routing_pb2.Decision) -> Facts:
    """Return a decision's facts."""
    return facts(
        (
            ("decision", short(record.name)),
            ("contact", short(record.contact)),
            ("reservation", short(record.reservation)),
            ("agent", short(record.agent)),
            ("basis", routing_pb2.Basis.Name(record.basis)),
            ("assigned by", record.actor),
            ("assigned because", record.reason),
            ("over capacity", "yes" if record.over_capacity else ""),
            ("arm", arm(record.arm, record.arm_probability)),
            ("comparison", _part(record.part)),
            (WOULD_BE[record.part == routing_pb2.PART_ASSIGNED], _would_be(record)),
            ("ignored", ", ".join(map(constraint_name, record.ignored_constraints))),
            ("not compared because", degraded(record.degraded)),
            ("pool", short(record.pool)),
            ("written in", record.language),
            ("floor, tolerance", f"{record.affinity_floor:.3f}, {record.affinity_tolerance:.3f}"),
            ("units", f"{record.units}{' (the rest merged)' if record.units_merged else ''}"),
            ("not compared", set_aside(record.set_aside)),
            ("preferred, unknown", ", ".join(map(short, record.unknown_preferred_agents))),
            ("eligible agents", f"{record.eligible_agents}; {left_out(record.left_out)}"),
            (
                "no longer required",
                ", ".join(f"{lapsed.skill or lapsed.language} since {time(lapsed.time)}" for lapsed in record.relaxed),
            ),
            ("model", record.model),
            ("scorer", record.scorer),
            ("made", time(record.create_time)),
        )
    )


def arm(value: routing_pb2.Arm.ValueType, probability: float) -> str:
    """Return a contact's arm in words; "" where it has none."""
    if not value:
        return ""
    return f"{routing_pb2.Arm.Name(value).removeprefix('ARM_')}, drawn with {probability:.0%}"


def _part(value: routing_pb2.Part.ValueType) -> str:
    """Return in words whether a decision takes part in a comparison."""
    if not value:
        return ""
    word = routing_pb2.Part.Name(value).removeprefix("PART_")
    return "takes part" if value == routing_pb2.PART_TOOK_PART else f"stands outside: {word}"


def _would_be(record: routing_pb2.Decision) -> str:
    """Return whom the other arm, or the service itself, would have chosen."""
    if not record.would_be_basis:
        return ""
    agent = short(record.would_be_agent) or "nobody"
    return f"{agent}, affinity {record.would_be_affinity:.3f}; by {routing_pb2.Basis.Name(record.would_be_basis)}"


def set_aside(parts: Iterable[routing_pb2.SetAside]) -> str:
    """Return the parts of a text that were not compared, in words with their places."""
    return ", ".join(
        f"{routing_pb2.SetAsideKind.Name(part.kind).removeprefix('SET_ASIDE_').lower().replace('_', ' ')}"
        f" {part.start}-{part.end}"
        for part in parts
    )


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
            ("manager", record.manager),
            ("languages", ", ".join(record.languages)),
            ("skills", ", ".join(f"{skill.skill} {skill.level}" for skill in record.skills)),
            ("capacity", capacity(record.capacity)),
            ("load", record.load),
            *(("holds", _hold(hold)) for hold in record.holds),
            ("idle since", time(record.idle_since)),
            ("etag", record.etag),
            ("uid", record.uid),
            *(("interest", interest) for interest in record.interests),
            *(("meets nothing", silent_interest(silent)) for silent in record.silent_interests),
        )
    )


def silent_interest(record: roster_pb2.SilentInterest) -> str:
    """Return an interest that no message can meet, and why, in words."""
    return f"{record.interest} ({SILENT.get(record.reason, 'says nothing')})"


def capacity(record: roster_pb2.Capacity) -> str:
    """Return a capacity in words."""
    channels = ", ".join(
        f"{limit.channel} {limit.cost}{f' at most {limit.max}' if limit.max else ''}" for limit in record.channels
    )
    return f"{record.total}; {channels}" if channels else f"{record.total}"


def _hold(hold: roster_pb2.Hold) -> str:
    return f"{short(hold.reservation)} {hold.channel} (cost {hold.cost}) until {time(hold.expire_time)}"


def _scorer(record: roster_pb2.Pool) -> str:
    """Return a pool's scorer, and the one that ranks in its place."""
    named = record.scorer or "the service's"
    return named if record.scorer_serving in {"", record.scorer} else f"{named}; {record.scorer_serving} ranks now"


def pool(record: roster_pb2.Pool) -> Facts:
    """Return a pool's facts."""
    origin = "" if record.HasField("affinity_floor") else " (computed, of a message whose language is not identified)"
    floor = f"{record.effective_affinity_floor:.3f}{origin}"
    tolerance = f"{record.effective_affinity_tolerance:.3f}"
    overloaded = roster_pb2.WhenOverloaded.Name(record.when_overloaded)
    return facts(
        (
            ("pool", short(record.name)),
            ("name", record.display_name),
            ("offer", f"{seconds(record.offer_duration.ToTimedelta().total_seconds())}"),
            ("accepted", f"{seconds(record.accepted_duration.ToTimedelta().total_seconds())}"),
            ("wrap-up", _wrap_up(record)),
            ("scorer", _scorer(record)),
            ("wait", f"{seconds(record.wait_duration.ToTimedelta().total_seconds())}"),
            ("waiting now", f"{record.waiting}"),
            ("wait-weight", f"{record.wait_weight:g} affinity a second"),
            ("head-start", f"{seconds(record.head_start.ToTimedelta().total_seconds())}"),
            ("max-missed", f"{record.max_missed} offers in a row, then AWAY" if record.max_missed else "any number"),
            (
                "max-declined",
                f"{record.max_declined} offers in a row, then AWAY" if record.max_declined else "any number",
            ),
            ("return-within", f"{seconds(record.return_within_duration.ToTimedelta().total_seconds())} of silence"),
            ("idle", _span(record, "idle_duration", "never")),
            ("first-response", _span(record, "first_response_duration", "not demanded")),
            ("relationship", _span(record, "relationship_duration", "not used")),
            ("relationship-wait", f"{seconds(record.relationship_wait.ToTimedelta().total_seconds())}"),
            ("window", f"{seconds(record.matching_window.ToTimedelta().total_seconds())}"),
            ("small-talk", f"{len(record.small_talk)} sentences" if record.small_talk else ""),
            ("listening", "on: what customers bring up is counted" if record.listening else "off"),
            ("when-overloaded", overloaded.removeprefix("WHEN_OVERLOADED_")),
            ("control-share", _comparison(record)),
            ("floor", floor),
            ("tolerance", tolerance + ("" if record.HasField("affinity_tolerance") else " (default)")),
            ("etag", record.etag),
            ("uid", record.uid),
        )
    )


def _comparison(record: roster_pb2.Pool) -> str:
    """Return in words how much of a pool's contacts are control; "" where nothing is compared."""
    if not record.control_share:
        return ""
    forgo = ", which forgo relationships" if record.control_forgoes_relationships else ""
    return f"{record.control_share:.0%} of new contacts are control{forgo}"


def _wrap_up(record: roster_pb2.Pool) -> str:
    """Return the wrap-up in words: in general, and after each kind of end for which it is another one."""
    parts = [seconds(record.wrap_up_duration.ToTimedelta().total_seconds())]
    for field, span in record.wrap_up.ListFields():
        parts.append(f"{field.name.replace('_', ' ')} {seconds(span.ToTimedelta().total_seconds())}")
    if record.second_complete_ends_wrap_up:
        parts.append("ended by a second complete")
    return "; ".join(parts)


def _span(
    record: roster_pb2.Pool,
    field: Literal["idle_duration", "first_response_duration", "relationship_duration"],
    unset: str,
) -> str:
    span: Duration = getattr(record, field)
    return seconds(span.ToTimedelta().total_seconds()) if record.HasField(field) else unset


def seconds(value: float) -> str:
    """Return a time span in seconds, as an option takes it; a longer one also in words."""
    return f"{value:g} s" if value < LONG_SECONDS else f"{value:g} s ({in_words(value)})"
