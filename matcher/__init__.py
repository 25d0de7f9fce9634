"""Routes a customer's message to the free agent with the closest affinity."""
