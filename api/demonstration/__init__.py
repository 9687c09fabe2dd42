"""The demonstration: weeks and shifts that are lived on synthetic data, and links."""
