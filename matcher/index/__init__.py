"""Index of a site in memory: its agents and their interests, and the exact search of them."""

from matcher.index.attributes import unmet_by_profile
from matcher.index.search import Beside, Query
from matcher.index.site_index import SiteIndex

__all__ = ["Beside", "Query", "SiteIndex", "unmet_by_profile"]
