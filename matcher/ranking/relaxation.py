"""Relaxation of requirements that lapse while a contact waits. Pure."""

from __future__ import annotations

from dataclasses import replace

from matcher.model import Relaxed, Requirements


def relax_requirements(
    requirements: Requirements, began_ms: int, now_ms: int
) -> tuple[Requirements, tuple[Relaxed, ...]]:
    """Return what is required at `now_ms` of a contact that began at `began_ms`, and what has lapsed, with its time."""
    lapsed: list[Relaxed] = []
    skills = dict(requirements.skills)
    for skill, after in requirements.skills_expire_ms.items():
        if began_ms + after <= now_ms and skills.pop(skill, None) is not None:
            lapsed.append(Relaxed(skill, "", began_ms + after))
    language, after_ms = requirements.language, requirements.language_expires_ms
    if language and after_ms is not None and began_ms + after_ms <= now_ms:
        lapsed.append(Relaxed("", language, began_ms + after_ms))
        language = ""
    if not lapsed:
        return requirements, ()
    lapsed.sort(key=lambda relaxed: (relaxed.at_ms, relaxed.skill))
    return replace(requirements, skills=skills, language=language), tuple(lapsed)


def next_relaxation_ms(requirements: Requirements, began_ms: int, now_ms: int) -> int | None:
    """Return when the next requirement lapses after `now_ms`; None: never."""
    delays = list(requirements.skills_expire_ms.values())
    if requirements.language and requirements.language_expires_ms is not None:
        delays.append(requirements.language_expires_ms)
    return min((began_ms + delay for delay in delays if began_ms + delay > now_ms), default=None)
