"""The append-only, hash-chained journal, its receipts and its writers.

batch_worker   Work that waits
clock          Time of the journal
entries        Journal records before and after they are appended
group_commit   How many requests share one durable commit
hash_chain     What a record of the journal commits to, byte by byte
idempotency    Whether this was asked before, and what was answered then
journal        What happened, in which order, so that nobody can change it unseen
power_records  Records that grant or withdraw power, read from the journal and held against its
               chain
protocols      What the journal asks of others
receipts       What a sender can hold against a journal that was rewritten later
"""
