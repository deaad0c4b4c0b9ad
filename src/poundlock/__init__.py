"""Poundlock: the gate through which developers' AI tools reach model providers and tools."""

__version__ = "0.1.0"
