"""The other door: HTTP and JSON for everyone who does not speak gRPC; a client of the service like any other."""
