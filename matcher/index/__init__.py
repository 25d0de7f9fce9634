"""Index of a site in memory: its agents and their interests, and the exact search of them."""

from matcher.index.search import Query
from matcher.index.site_index import SiteIndex

__all__ = ["Query", "SiteIndex"]
