"""Attack on the service: seeded faults under a seeded load, judged by what the clients saw."""
