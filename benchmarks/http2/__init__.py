"""Attacks by HTTP/2 itself, on the service and on a bare echo server beside it."""
