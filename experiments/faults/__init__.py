"""Fault runs against a running service, each with a negative control.

bundle_tampering       Bundles changed on disk
duplicate_requests     One request a hundred times at once, each over its own connection
flood_bodies           Bodies that are dear to look into
full_disk              A full disk
ledger_check           Check of acknowledged decisions against the journal
memory_growth          Memory over hours of requests
model_swap             Change of model and restart of the process while checkpoints send
partitions             Fault run of links: nodes and a centre whose lines, processes, clocks and
                       disks fail
process_kill           Kill -9 at random moments, while checkpoints send
seeded_bugs            Seeded bugs that the fault runs must catch
senders                Checkpoints that send until they are answered, and keep every answer
service_process        A service in a process of its own, started and killed repeatedly
store_outage           Outages of the store while checkpoints send
unauthenticated_flood  Senders without a key who flood, fill and hold up a service, while a
                       checkpoint goes on
work_flood             Work that can be long: what one piece costs, and many at once
"""
