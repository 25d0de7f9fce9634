"""An open-loop load test of the service, on a site of its own."""
