"""The page Coverage: what customers bring up, and who shares it."""

from matcher.web.console.pages.coverage.page import PAGE

__all__ = ["PAGE"]
