"""The Ollama format."""
