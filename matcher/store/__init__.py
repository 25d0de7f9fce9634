"""The stores of the domain's things, on a server that speaks the Redis protocol: embedded or external."""
