"""Latency and throughput of the service against peers.

comparison     Four servers on one machine, in turns
deployment     Deployment of the serving benchmark
peer_models    Our model as plain services take it
plain_service  A plain scoring service, as an analyst would write it
run            Cost of a full decision, against two services on the same model
"""
