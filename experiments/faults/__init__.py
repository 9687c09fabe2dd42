"""Fault runs against a running service, each with a negative control.

bundle_tampering       Bundles changed on disk
installations          Installations of a fault run: stores, clocks, disks, and their messages
ledger_check           Check of acknowledged decisions against the journal
outages                Outages of the store: a server that stops, a disk that is full
partitions             Partitions: nodes and a centre whose lines, processes, clocks and disks fail
runner                 On what ground each run is made, what is done there, how it is counted
seeded_bugs            Seeded bugs that the fault runs must catch
senders                Checkpoints that send until they are answered, and keep every answer
service_process        A service in a process of its own, started and killed repeatedly
service_trials         Kills, changes of model, duplicates, memory, under requests
unauthenticated_flood  Senders without a key who flood, fill and hold up a service, while a
                       checkpoint goes on
work_flood             Work that can be long: what one piece costs, and many at once
"""
