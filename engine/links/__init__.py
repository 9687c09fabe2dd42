"""Links between installations: signed, numbered envelopes under an agreement.

agreement  The agreement of a link: which messages and which of their fields may travel
area       The area of links: signed envelopes between installations, and what follows from them
envelope   Envelopes, encrypted and signed, and the signed receipts of them
exchange   The exchange of parcels with the other side of a link
identity   Identity of an installation on its links: its keys, and their file
inbox      Envelopes that arrive: taken once, in order, or refused by name
ledger     The envelopes of each link as a table, a projection of the journal
matching   Common watch-list entries of two administrations, found without showing the lists
messages   Kinds of messages between installations, their typed bodies and codes
movements  Movements that both sides of a link know, and counts of their outcomes
outbox     Envelopes that leave, and the receipts that settle them
parcel     Parcels: envelopes, receipts and parts of files, handed over at once
posts      A post's node and its centre: copies of records
requests   Requests between partners: attentions and offers of cases, and their steps
state      State of each link, replayed from the journal's records of power
witness    A journal verified against the heads that the other side of a link holds of it
"""
