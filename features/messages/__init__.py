"""Standard messages of customs and transport systems, as records of this project."""
