"""The page Desk, for one agent: offers with their opener, conversations, wrap-ups, presence and praise."""

from matcher.web.console.pages.desk.page import PAGE

__all__ = ["PAGE"]
