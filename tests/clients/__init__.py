"""Real clients, end to end: each is installed at a pinned version and driven through the gateway."""
