"""The load test: sends the service requests in an open loop, on a site of its own, and reports the latencies."""
