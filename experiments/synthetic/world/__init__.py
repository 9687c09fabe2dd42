"""The world before anything happens: posts, traders, fleet, trips, goods.

cargo                Cargo: what is loaded, what is declared, and where the two differ
concealment          Concealment of a load
fleet                Fleet: owners of the vehicles, and their drivers
goods                Goods traded on these roads, and what is usual for them
network              Posts of the network, their traffic and their equipment
smuggling_rings      Smuggling circles, added to a lawful world
traders              Traders: consignors, consignees and declarants
trip_signals         Signs of a trip at the barrier
trips                Trips: vehicles, days and directions
vehicle_identifiers  Identifiers of a conveyance: plates, VINs, container numbers
world_plan           Plan of a world: all trips that could happen in it
"""
