"""Validation of requests: each function returns domain values, or raises FieldsInvalid with every violation."""
