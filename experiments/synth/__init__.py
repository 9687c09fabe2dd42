"""Modules of this room.

cargo      What is loaded, what is declared, and where the two differ
catalogue  What is traded on these roads, and what is normal for it
circles    How smuggling circles work
config     What a synthetic world is made from
dirt       How records come to be imperfect
finds      What was seized, at the post and inland
fleet      Who owns the vehicles, and who drives them
folder     The folder of a synthetic network
fronts     How circles come into a lawful world
habits     How a trip looks at the barrier
hiding     Where a load is hidden
network    Which posts there are, how busy, and what they have to work with
officers   How vehicles were chosen in the past
papers     The declarations, their goods items, the inspection acts and the seizures, as records
parties    Who sends what to whom, and who declares it
plan       Which trips could happen in this world
plates     What is painted, stamped and welded on a conveyance
search     How a chosen vehicle is searched, and what the search finds
tables     The world as the records that a bulk folder holds
traders    What traders do when a wrong declaration of theirs was found
trips      Who crosses, and when
truth      What is true in the world, for its own evaluation alone
unfold     What happens, day by day
write      Write a synthetic network as a bulk folder, and the truth beside it
"""
