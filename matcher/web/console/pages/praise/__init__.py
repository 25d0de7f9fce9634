"""The page Praise: what customers said of agents and agreed to have passed on."""

from matcher.web.console.pages.praise.page import PAGE

__all__ = ["PAGE"]
