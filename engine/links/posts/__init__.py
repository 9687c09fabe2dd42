"""A post's node and its centre: copies of records over a link of kind ``post``.

account_messages  People and keys of a post, from its centre: secrets for its node alone
centre_line       Silence of a node's centre, which decisions of its posts say
copy_bounds       Names in copies, and whether copies may have an effect on what they name
copy_check        Check of copied records: none acts on rows of others than the installation that it came from
late_withdrawals  Withdrawals of a centre that its node did not know yet when it decided
post_nodes        Posts whose arrivals a node of their own decides on
record_batches    Batches of copied records as one message
record_intake     Batches that arrive: each record once, in the transaction of the projections
record_outbox     Records that leave: from the journal's tail, as batches in envelopes
"""
