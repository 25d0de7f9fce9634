"""The page System: whether the service serves, what it serves with, its quotas, its keys, and where the rest is."""

from matcher.web.console.pages.system.page import PAGE

__all__ = ["PAGE"]
