"""Faults done to a real service, with the counts of what was lost, doubled or failed.

service     a service in a process of its own, started and killed over and over
senders     checkpoints that send until they are answered, and keep what they were told
audit       what was acknowledged against what stands
kill        kill -9 at random moments
duplicate   one request a hundred times at once
outages     the store taken away and given back: disk, server
swap        another model and another process, while checkpoints send
bundle      bytes flipped in the bundle in force, and pickles in its place
memory      requests over hours, and what the process holds afterwards
models      models to put into force; readiness: how a service says it stands
planted     the bugs that the runs must catch
"""
