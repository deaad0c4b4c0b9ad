"""The shell: awaits, and holds no detection or policy logic."""
