"""Quotas of a site's roster, which the store's verbs hold exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SiteQuotas:
    """The most that a site may have of something; 0: as much as there is."""

    agents: int = 0
    pools: int = 0


NO_QUOTAS: Final = SiteQuotas()
