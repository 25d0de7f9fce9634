"""The benchmarks: measure the service and its alternatives side by side, in one run."""
