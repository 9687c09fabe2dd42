"""The online feature store: counters, links and look-ups.

backfill         A loaded history, into the counters of the store
counter_recount  The counters counted again, for a check of the store's
counter_store    The counters online
counter_updates  Where counters stand inside the writer's transaction, and what events add to
                 them
crossing_index   What the store remembers of every crossing, and the events that move the
                 counters
entity_history   What had happened to a vehicle and its parties before a time, for people who
                 look at it
entity_links     Which entities are linked since when, and whom a hit is passed on to
epoch            A load, made known
history_anchor   Whether the loaded history still is what the journal says was loaded
linked_entities  Who else is linked to a vehicle and its parties, so that a person can look at
                 it
loaded_reports   Which acts and seizures the loaded history holds
online_features  Features of arrivals at the barrier, read from the store
projection       What each record adds to the counters, in the transaction that records it
search_counts    How often each place was searched and held something
state_layout     How one group's state is packed into the row of a counter, and which number the
                 group has
"""
