"""The append-only, hash-chained journal, its receipts and its writers.

areas           Areas: what the core must know of each part of the system
batch_worker    Pending requests, handled in batches by one thread
clock           Time of the journal
copies          Copies of other journals' records, and what proves them
entries         Journal records before and after they are appended
exercise_guard  Separation of the journals of exercises from live ones
group_commit    One durable commit for many requests
hash_chain      Bytes that a record of the journal commits to
idempotency     Repeated requests and their recorded answers
journal         The append-only journal: records, their order and their chain, read back
kinds           Kinds of records, each named once for all layers
payloads        Bodies of the journal's records, by kind
power_records   Records that grant or withdraw power, verified against the hash chain
receipts        Signed receipts that prove a later rewriting of the journal
record_order    Records appended together, in parts that projections apply one after another
"""
