"""Declarations of all features and what compiles them."""
