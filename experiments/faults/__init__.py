"""Fault runs against a running service, each with a negative control.

bundle_tampering       Bundles that somebody changed on the disk
duplicate_requests     One request a hundred times at once, each over a connection of its own
full_disk              A disk that is full
ledger_check           What was acknowledged against what stands
memory_growth          Requests over hours
model_swap             Another model, and another process, while checkpoints send
process_kill           Kill -9 at random moments, while checkpoints send
readiness              What a service says of itself while a run goes on
seeded_bugs            The bugs that the fault runs must catch
senders                Checkpoints that send until they are answered, and keep every word they
                       were told
service_process        A service in a process of its own, started and killed over and over
store_outage           Outages of the store while checkpoints send
throwaway_models       Models for runs that need one in force
unauthenticated_flood  Senders without a key who flood, fill and hold up a service, while a
                       checkpoint goes on
"""
