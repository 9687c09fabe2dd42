"""Runs: the synthetic network, backtests, benchmarks against peers, fault runs."""
