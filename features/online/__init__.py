"""The online feature store: counters, ties and look-ups.

backfill          Counters of a whole history: backfill, start of an epoch, recount
block_kernel      The bytes of a block of states, written and read by compiled functions
counter_log       Counter rows of the latest events, written behind
counter_states    Layout of a group's state in a counter row, single or in a block
counter_store     Table of online counters: grouped reads, and what events add
crossing_index    Index of all crossings, ties between their entities, events of records
entity_history    History of a vehicle and its parties before a time, for display
online_features   Features of arrivals at the barrier, and the inspections behind each rate
projection        Projection of records onto the counters, corrections among them
search_counts     Counts of searches and finds by place in the vehicle
spread_snapshots  Snapshots of finds spread along ties, made from the store at each cut
"""
