"""The store: Redis protocol, one implementation, embedded or external."""
