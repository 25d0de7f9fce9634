"""The store: one Redis-protocol server, ours or the operator's, that holds what is true."""
