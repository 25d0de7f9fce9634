"""Names of the API's fields on the command line: maps a field to the option or argument that sets it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import typer.core
from typer.models import ArgumentInfo, OptionInfo

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "required_skills": ("skill",),
    "excluded_agents": ("exclude",),
    "customer_interests": ("customer_interest",),
    "customer_interests_shareable": ("shareable",),
    "preferred_agents": ("prefer",),
    "contact_id": ("contact",),
    "wait_duration": ("wait_for", "wait"),
    "ignore_constraints": ("ignore",),
    "max_candidates": ("most",),
    "duration": ("seconds",),
    "display_name": ("name",),
    "offer_duration": ("offer",),
    "accepted_duration": ("accepted",),
    "wrap_up_duration": ("wrap_up",),
    "wrap_up.after_complete": ("wrap_up_complete",),
    "wrap_up.after_transfer": ("wrap_up_transfer",),
    "wrap_up.after_cancel": ("wrap_up_cancel",),
    "wrap_up.after_expiry": ("wrap_up_expiry",),
    "return_within_duration": ("return_within",),
    "second_complete_ends_wrap_up": ("second_complete",),
    "control_forgoes_relationships": ("control_known",),
    "affinity_floor": ("floor",),
    "affinity_tolerance": ("tolerance",),
    "idle_duration": ("idle",),
    "first_response_duration": ("first_response",),
    "relationship_duration": ("relationship",),
    "matching_window": ("window",),
    "release": ("on_accept",),
    "ttl": ("seconds",),
    "resume_token": ("resume",),
    "name": ("reservation", "contact", "agent", "pool", "name"),
    "observed_time": ("observed",),
    "recommended.seen_time": ("seen",),
    "recommended.place": ("place",),
    "metrics": ("metric",),
    "pool_id": ("pool",),
    "agent_id": ("agent",),
    "site_id": ("site",),
}
"""The parameters of commands that set a field under another name than the field's."""

DASH_HINT: Final = "Put two dashes before a TEXT that begins with a dash: {} -- '-5 degrees …'"

_PART: Final = re.compile(r"([\w.]+)(?:\[(\d+)\])?")
_MENTIONED: Final = re.compile(r"`(?P<quoted>\w+)`|the field (?P<named>\w+)|(?P<listed>(?:message\.)?\w+\[\d+\])")
_ONLY_PART: Final = frozenset({"agent", "skill"})
"""Parts of a listed value that an option gives as the whole value, or at its beginning."""


def typed_names(parameters: Iterable[inspect.Parameter]) -> dict[str, str]:
    """Return the name of each parameter on the command line: "--skill", or "TEXT" for an argument."""
    names = {"parent": "--site"}
    for parameter in parameters:
        for info in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(info, OptionInfo):
                # Inside Annotated, typer reads the first name of an option as its default.
                given = (info.default, *(info.param_decls or ()))
                declared = [name for name in given if isinstance(name, str) and name.startswith("--")]
                names[parameter.name] = (
                    declared[0].split("/")[0] if declared else f"--{parameter.name.replace('_', '-')}"
                )
            elif isinstance(info, ArgumentInfo):
                names[parameter.name] = str(info.metavar or parameter.name.upper())
    return names


def typed(field: str, names: Mapping[str, str]) -> str:
    """Return the name of a request's field on the command line.

    "message.required_skills[0].level" becomes "--skill 1, level".
    """
    parts = field.split(".")
    if len(parts) > 1 and parts[0] in ("message", "pool", "agent", "reservation", "outcome"):
        parts = parts[1:]
    if len(parts) > 1 and ".".join(parts) in PARAMETERS:
        parts = [".".join(parts)]
    match = _PART.fullmatch(parts[0])
    if match is None:
        return field
    name, place = match.groups()
    for parameter in (*PARAMETERS.get(name, ()), name):
        if parameter in names:
            which = "" if place is None else f" {int(place) + 1}"
            return names[parameter] + which + "".join(f", {part}" for part in parts[1:] if part not in _ONLY_PART)
    return field


def typed_within(sentence: str, names: Mapping[str, str]) -> str:
    """Return a sentence of the service with the fields that it mentions by their names on the command line."""

    def replaced(match: re.Match[str]) -> str:
        field = match["quoted"] or match["named"] or match["listed"]
        name = typed(field, names)
        return match[0] if name == field else name

    return _MENTIONED.sub(replaced, sentence)


class TextCommand(typer.core.TyperCommand):
    """A command with a TEXT argument, a customer's words, which may begin with a dash."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; where a TEXT was read as an option, add to the error how to write it."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            # Compared by name: typer has its own copy of click since 0.26, and used the package click before.
            if type(error).__name__ == "NoSuchOption" and hasattr(error, "message"):
                error.message = f"{error.message}. {DASH_HINT.format(ctx.command_path)}"
            raise
