"""A shift: its seed, its minutes, its load."""
