"""Exact contributions and the sentences made of them."""
