"""Point-in-time feature matrices over a whole history."""
