"""Quotas of a site and of a caller in it, which the store's verbs hold exactly, and how much of a quota is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SiteQuotas:
    """The most that a site may have of something; 0: as much as there is."""

    agents: int = 0
    pools: int = 0
    waiting_contacts: int = 0
    open_offers: int = 0


NO_QUOTAS: Final = SiteQuotas()


@dataclass(frozen=True, slots=True)
class CallerQuotas:
    """The most that a caller may have of something in a site; 0: as much as there is."""

    open_offers: int = 0
    waiting_contacts: int = 0


NO_CALLER_QUOTAS: Final = CallerQuotas()


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How much of a quota is used; limit 0: there is none."""

    quota: str
    used: int
    limit: float
