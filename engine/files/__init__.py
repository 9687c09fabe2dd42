"""Files that people send, each named by the SHA-256 of its content."""
