"""What a field of the API is called on the command line: the option or the argument that was typed."""

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
    "preferred_agents": ("prefer",),
    "contact_id": ("contact",),
    "wait_duration": ("wait_for", "wait"),
    "max_candidates": ("most",),
    "duration": ("seconds",),
    "display_name": ("name",),
    "offer_duration": ("offer",),
    "accepted_duration": ("accepted",),
    "wrap_up_duration": ("wrap_up",),
    "affinity_floor": ("floor",),
    "affinity_tolerance": ("tolerance",),
    "idle_duration": ("idle",),
    "relationship_duration": ("relationship",),
    "matching_window": ("window",),
    "name": ("reservation", "agent", "pool", "contact", "name"),
    "pool_id": ("pool",),
    "agent_id": ("agent",),
    "site_id": ("site",),
}
"""The parameters of commands that set a field, where they have another name than it."""

DASH_HINT: Final = "A TEXT that begins with a dash stands after two of them: {} -- '-5 degrees …'"

_PART: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")


def typed_names(parameters: Iterable[inspect.Parameter]) -> dict[str, str]:
    """Return how each parameter of a command is typed: "--skill", or "TEXT" for an argument."""
    names = {"parent": "--site"}
    for one in parameters:
        for info in getattr(one.annotation, "__metadata__", ()):
            if isinstance(info, OptionInfo):
                declared = [name for name in info.param_decls or () if name.startswith("--")]
                names[one.name] = declared[0].split("/")[0] if declared else f"--{one.name.replace('_', '-')}"
            elif isinstance(info, ArgumentInfo):
                names[one.name] = str(info.metavar or one.name.upper())
    return names


def typed(field: str, names: Mapping[str, str]) -> str:
    """Return a field of a request as it was typed: "message.required_skills[0].level" is "--skill 1, level"."""
    parts = field.split(".")
    if len(parts) > 1 and parts[0] in ("message", "pool", "agent", "reservation"):
        parts = parts[1:]
    found = _PART.fullmatch(parts[0])
    if found is None:
        return field
    name, place = found.groups()
    for parameter in (*PARAMETERS.get(name, ()), name):
        if parameter in names:
            which = "" if place is None else f" {int(place) + 1}"
            return names[parameter] + which + "".join(f", {part}" for part in parts[1:])
    return field


class TextCommand(typer.core.TyperCommand):
    """A command that takes a customer's words, which may begin with a dash."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and say what to do where words were taken for an option."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            # Typer carries click under a name of its own since 0.26, under click's before.
            if type(error).__name__ == "NoSuchOption" and hasattr(error, "message"):
                error.message = f"{error.message}. {DASH_HINT.format(ctx.command_path)}"
            raise
