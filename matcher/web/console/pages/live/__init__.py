"""The page Live: who is free, talks, wraps up or is away, and why; who waits; what happens, as it happens."""

from matcher.web.console.pages.live.page import PAGE

__all__ = ["PAGE"]
