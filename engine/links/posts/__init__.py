"""A post's node and its centre: copies of records over a link of kind ``post``.

account_messages  People and keys of a post, from its centre: secrets for its node alone
copy_bounds       Names in copies, and whether copies may have an effect on what they name
copy_check        Check that copied records act on rows of their own installation
late_withdrawals  Withdrawals of a centre that its node did not know yet when it decided
linked_posts      Posts whose node and centre are two installations
record_batches    Batches of copied records as one message
record_intake     Batches that arrive: each record once, in the transaction of the projections
record_outbox     Records that leave: from the journal's tail, as batches in envelopes
"""
