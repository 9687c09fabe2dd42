"""Synthetic networks, benchmarks, analyses, simulations and fault runs."""
