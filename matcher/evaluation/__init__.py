"""The evaluation: measures on suites how well the service's own code finds the right agents."""
