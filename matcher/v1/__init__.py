"""Code generated from proto/matcher/v1 by `make proto`; never edited by hand."""
