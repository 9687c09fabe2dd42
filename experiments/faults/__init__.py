"""Fault runs against a running service, each with a negative control.

audit      What was acknowledged against what stands
bundle     Bundles that somebody changed on the disk
disk       A disk that is full
duplicate  One request a hundred times at once, each over a connection of its own
kill       Kill -9 at random moments, while checkpoints send
memory     Requests over hours
models     Models for runs that need one in force
outages    Take the store away and give it back, while checkpoints send
planted    The bugs that the fault runs must catch
readiness  What a service says of itself while a run goes on
senders    Checkpoints that send until they are answered, and keep every word they were told
server     A database server that stops at once, as when its machine is switched off, and comes
           back
service    A service in a process of its own, started and killed over and over
strangers  Senders without a key who flood, fill and hold up a service, while a checkpoint goes
           on
swap       Another model, and another process, while checkpoints send
"""
