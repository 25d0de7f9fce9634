"""The index of a site: who is free, and whose interests a message meets; exact, in memory."""

from matcher.index.search import Query
from matcher.index.site_index import SiteIndex

__all__ = ["Query", "SiteIndex"]
