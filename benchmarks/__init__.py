"""How fast the service is, measured beside what people would build instead, in the same run."""
