"""Who calls: principals with their grants, and how keys, tokens and certificates name them."""
