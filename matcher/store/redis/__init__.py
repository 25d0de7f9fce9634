"""Transport to a Redis-protocol store: addresses, connections, failover, clusters and the function library."""
