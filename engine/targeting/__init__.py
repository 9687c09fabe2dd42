"""The path of an arrival, and of what is reported."""
