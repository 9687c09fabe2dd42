"""Links between installations: over HTTP, as pages, by file, and the exchange in the background.

announcements   Messages that records make due on a link: movements, outcomes of attentions
answers         Links, their traffic and delays, and compared watch lists, as answers
exchanges       Parcels with the other side, by HTTPS or by file, and the case files that they carry
loaded_exits    Manifests of exits that came as files, for commands
movements       Movements: manifests and outcomes, vehicles that are missing, notes on a decision
node_recompute  Decisions of a node made again at its centre, from copies alone
page            Pages of the links
post_nodes      What a post's node gets from its centre: people and keys, bundles, records
proposals       Links as matters of two people
routes          Links over HTTP: their state, and the door for parcels
worker          Exchange with every link in the background
"""
