"""Transport to a Redis-protocol store: addresses, connections, failover, cluster and Sentinel, function libraries."""
