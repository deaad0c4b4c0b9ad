"""Brokers against the real thing."""
