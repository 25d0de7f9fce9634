"""The page Impact: what routing by affinity changes, and whether it pays."""

from matcher.web.console.pages.impact.page import PAGE

__all__ = ["PAGE"]
