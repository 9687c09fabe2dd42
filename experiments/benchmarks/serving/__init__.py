"""Latency and throughput of the service against peers.

peer_models  Our model as plain services take it
"""
