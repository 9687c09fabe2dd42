"""Links between installations: signed, numbered envelopes under an agreement.

agreement   What two installations agreed may travel between them, as typed TOML
area        The area of links: signed envelopes between installations, and what follows from them
codes       Codes of messages, for those who write them
disclosure  Fields of a message that an agreement lets travel, on sending and on receiving
envelope    Envelopes: canonical bytes, encryption to the receiver, signature, order
exchange    The exchange of parcels with the other side of a link
file_parts  Parts of files, which travel in a parcel next to its envelopes
identity    Link identity of an installation: its public keys, and the private ones
inbox       Envelopes that arrive: taken once, in order, or refused by name
key_files   Private link keys of a home, in one file
ledger      The envelopes of each link as a table, a projection of the journal
matching    Common watch-list entries of two administrations, found without showing the lists
messages    Kinds of messages and their typed bodies
movements   Movements that both sides of a link know
outbox      Envelopes that leave, and the receipts that settle them
parcel      Parcels: what one side hands to the other at once
posts       A post's node and its centre: copies of records
receipts    Signed receipts of envelopes, over the head of the receiver's journal
requests    Requests between partners: attentions and offers of cases
state       State of each link, replayed from the journal's records of power
witness     A journal verified against the heads that the other side of a link holds of it
"""
