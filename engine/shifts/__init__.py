"""A shift: its seed, its roster and minutes, its load, its counts."""
