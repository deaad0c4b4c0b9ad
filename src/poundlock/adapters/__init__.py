"""Adapters: one foreign system a file, behind a port."""
