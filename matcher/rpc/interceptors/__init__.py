"""Interceptors that wrap every call: metrics, admission, errors, and the name of the worker."""
