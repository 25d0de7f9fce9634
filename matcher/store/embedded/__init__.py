"""The embedded store: a Valkey or Redis server that runs as a child process on a data directory."""
