"""Loading of bulk files into a home."""
