"""A post's node and its centre: copies of records over a link of kind ``post``."""
