"""The page Map: what the agents of a pool love, in two dimensions, with what their customers bring up."""

from matcher.web.console.pages.interest_map.page import PAGE

__all__ = ["PAGE"]
