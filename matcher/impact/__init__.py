"""Pure statistics of the comparison: differences between its arms, with intervals that may be looked at every day."""
