"""Order of candidates and assignment of several contacts at once. Pure."""
