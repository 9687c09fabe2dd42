"""A synthetic border network.

Everything is drawn from four numbers: first the plan of a world, then its days, then its records.

bodies            Bodies of vehicles: what they carry their goods in
config            Configuration of a synthetic world
fleet             Vehicles, owners and drivers; plates, VINs, container numbers
folder            A synthetic network as a bulk folder, with its ground truth
inspections       The policy of the past, searches, seizures at posts and inland
mechanisms        Small networks of other mechanisms than the main generator's
posts             Posts of the network, their traffic, staff and equipment
records           The world as records: crossings, documents, acts, and the truth
smuggling         Smuggling circles, their fronts, and how they hide loads
trade             Goods, traders, and the lanes between them
trips             Trips that could happen: days, signs at the barrier, cargo
world_plan        Plan of a world: all trips that could happen in it
world_simulation  The world day by day under a policy, with reactions to finds
"""
