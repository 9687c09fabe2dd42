"""Synthetic networks, benchmarks, analyses, simulations and fault runs.

analysis    Questions of analysts about a home: tables and SQL as of a time
benchmarks  Benchmarks against peers
exercises   Exercises of officers on shifts whose truth is known
faults      Fault runs against a running service, each with a negative control
simulation  Policies simulated over a year
support     Shared by benchmarks, simulations and fault runs
synthetic   A synthetic border network
"""
