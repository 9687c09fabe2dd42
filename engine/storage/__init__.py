"""Files and databases of one home."""
