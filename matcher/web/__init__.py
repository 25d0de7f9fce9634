"""The HTTP gateway: the API in JSON for callers that do not speak gRPC, and the console; a client of the service."""
