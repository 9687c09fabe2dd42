"""Links between installations: signed, numbered envelopes under an agreement.

agreement   What two installations agreed may travel between them, as typed TOML
disclosure  Fields of a message that an agreement lets travel, on sending and on receiving
envelope    Envelopes: canonical bytes, encryption to the receiver, signature, order
identity    Link identity of an installation: its public keys, and the private ones
messages    Kinds of messages and their typed bodies
receipts    Signed receipts of envelopes, over the head of the receiver's journal
"""
