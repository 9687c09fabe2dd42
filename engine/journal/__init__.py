"""The append-only, hash-chained journal, its receipts and its writers.

areas          Areas: what the core must know of each part of the system
batch_worker   Pending requests and records, handled in batches by one thread each
clock          Time of the journal
copies         Copies of other journals' records, and what proves them
entries        Journal records before and after they are appended
hash_chain     Bytes that a record of the journal commits to
idempotency    Repeated requests and their recorded answers
journal        The append-only journal: records, their order and their chain, read back
kinds          Kinds of the core's records, and their bodies as JSON objects
power_records  Records that grant or withdraw power, verified against the hash chain
receipts       Signed receipts that prove a later rewriting of the journal
"""
