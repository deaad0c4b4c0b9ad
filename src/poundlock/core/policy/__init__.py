"""Policy: the ladder in Cedar, its schema and the default pack."""
