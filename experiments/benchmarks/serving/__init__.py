"""Latency and throughput of the service against peers.

comparison     Four servers on one machine, in turns
deployment     What the serving benchmark serves
peer_models    Our model as plain services take it
plain_service  A plain scoring service, as an analyst would write it
run            What a full decision costs, against two services on the same model, and stage by
               stage
"""
