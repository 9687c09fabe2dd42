"""A post's node and its centre: copies of records over a link of kind ``post``.

linked_posts   Posts whose node and centre are two installations, and withdrawals that came late
post_accounts  People and keys of a post, from its centre: secrets for its node alone
record_intake  Records that arrive: each once, and only on rows of their own installation
record_outbox  Records that leave: from the journal's tail, as sealed batches
"""
