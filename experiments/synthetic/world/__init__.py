"""The world before anything happens: posts, traders, fleet, trips, goods.

cargo                What is loaded, what is declared, and where the two differ
concealment          Where a load is hidden
fleet                Who owns the vehicles, and who drives them
goods                What is traded on these roads, and what is normal for it
network              Which posts there are, how busy, and what they have to work with
smuggling_rings      How smuggling circles work, and how they come into a lawful world
traders              Who sends what to whom, and who declares it
trip_signals         How a trip looks at the barrier
trips                Who crosses, and when
vehicle_identifiers  What is painted, stamped and welded on a conveyance
world_plan           Which trips could happen in this world
"""
