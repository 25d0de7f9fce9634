"""The gRPC edge: requests are checked and converted, answers converted back, errors mapped to statuses."""
