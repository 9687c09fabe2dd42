"""Shared by benchmarks, simulations and fault runs."""
