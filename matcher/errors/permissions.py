"""Errors of what a caller may not do, as the request itself shows, and of how much a caller may do."""

from __future__ import annotations

from collections.abc import Iterable

from matcher.errors.reason import MatcherError


class PermissionDenied(MatcherError):
    """No role of the caller allows the call."""

    reason = "PERMISSION_DENIED"

    def __init__(self, method: str, roles: Iterable[str], name: str = "", *, all_pools: bool = False) -> None:
        """roles: each of them would allow the call. name: what they would be needed for; "" for the method itself.

        all_pools: the name is a site, and the roles would be needed for all of its pools.
        """
        needed = ", ".join(roles)
        where = f" for {'all pools of ' if all_pools else ''}{name}" if name else ""
        more = {"name": name} if name else {}
        called = method.rpartition("/")[2]
        super().__init__(
            f"{called} needs one of these roles{where}: {needed or 'none is enough'}", roles=needed, **more
        )


class QuotaExceeded(MatcherError):
    """The caller has used up a quota of a process."""

    reason = "QUOTA_EXCEEDED"
    retry_after_seconds = 1.0

    def __init__(self, quota: str, limit: str) -> None:
        """Take the quota's name in the documentation, and its limit."""
        super().__init__(f"the quota {quota} of {limit} is used up", quota=quota, limit=limit)


class SiteQuotaExceeded(MatcherError):
    """The site has as many of something as it may; nothing was written."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, site: str, quota: str, limit: str) -> None:
        """Take the site's name, the quota's name in the documentation, and its limit."""
        super().__init__(f"the quota {quota} of {site} is used up: {limit}", site=site, quota=quota, limit=limit)
