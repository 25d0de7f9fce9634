"""A day played through the API, with crashes on the way, and judged from what the clients saw."""
