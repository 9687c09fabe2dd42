"""Journal, draws, and the verification of a home."""
