"""Benchmarks against peers.

serving   Latency and throughput of the service against peers
"""
