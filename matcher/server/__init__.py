"""Process of the service: wiring, readiness, workers and listeners."""
