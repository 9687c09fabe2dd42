"""Circulars to posts: what officers should know, and who read it."""
