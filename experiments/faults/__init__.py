"""Fault runs against a running service, each with a negative control.

bundle_tampering       Bundles changed on disk
ledger_check           Check of acknowledged decisions against the journal
partitions             Fault run of links: nodes and a centre whose lines, processes, clocks and
                       disks fail
seeded_bugs            Seeded bugs that the fault runs must catch
senders                Checkpoints that send until they are answered, and keep every answer
service_process        A service in a process of its own, started and killed repeatedly
service_trials         Kills, changes of model, duplicates, memory, under requests
store_outage           Outages of the store: a stopped server, a full disk
unauthenticated_flood  Senders without a key who flood, fill and hold up a service, while a
                       checkpoint goes on
work_flood             Work that can be long: what one piece costs, and many at once
"""
