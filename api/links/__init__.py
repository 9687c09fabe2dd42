"""Links between installations: over HTTP, as pages, by file, and the exchange in the background.

accounts        People and keys of a post, from its centre to its node
bundles         Bundles of models from a centre to its node: in parts, checked, kept
case_files      Files of cases: what is lacking, what may leave, what arrives
doors           The doors of the area of links, and of the requests that travel over them
exchanges       Parcels with the other side: by HTTPS, by file, and who opens them
https_line      HTTPS to the other side of a link, and what its failures are called
match_reads     Compared watch lists of a link, as JSON values
movements       Movements: what leaves for the other side, and what it reported
node_recompute  Decisions of a node made again at its centre, from copies alone
page            Pages of the links
post_records    Records between a post's node and its centre
reads           Links, their traffic and their delays, as JSON values
reports         Reports on accepted attentions, made without a person
routes          Links over HTTP: their state, and the door for parcels
schemas         Answers about links
worker          Exchange with every link in the background
"""
