"""Our own mock of the model providers: scripted answers in the providers' exact event shapes, and a durable log.

It shares no code with the project under test, not even the framing, so that a mistake in one can't hide in the other.
"""
