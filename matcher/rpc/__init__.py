"""The gRPC edge: validates requests, calls the services, converts their answers, and maps errors to statuses."""
