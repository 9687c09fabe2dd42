"""Risk profiles: their language, its checker, and the matcher."""
