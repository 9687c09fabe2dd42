"""The online feature store: counters, links and look-ups.

counter_log      Counter rows of the latest events, written behind
blocks           Blocks of counter states: several of one counter in one row of the table
spread           Finds spread along links, in the store of online counters
backfill         Backfill of a loaded history into the counters
counter_recount  Recount of the counters, for a check of those in the store
counter_store    Table of online counters: grouped reads and appends
counter_updates  States of counters inside the writer's transaction, and what events add
crossing_index   Index of all crossings, and the events that change the counters
entity_history   History of a vehicle and its parties before a time, for display
entity_links     Links between entities, along which hits are passed on
epoch            Start of a counter epoch: a load anchored in the journal
history_anchor   Check of the loaded history against the digests in the journal
online_features  Features of arrivals at the barrier, read from the store
projection       Projection of records into the counters, in their transaction
recorded_events  Events of the counters, from records made elsewhere or earlier
search_counts    Counts of searches and finds by place in the vehicle
stated_acts      What acts and finds state of one crossing, corrections among them
state_layout     Binary layout of a group's state in a counter row, and the group's number
"""
