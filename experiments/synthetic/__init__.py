"""A synthetic border network.

mechanisms  Small networks of other mechanisms than the main generator's
records     The world as files: tables, data errors, ground truth
unfolding   The world day by day: inspections, seizures, reactions
world       The world before anything happens: posts, traders, fleet, trips, goods
config      Configuration of a synthetic world
"""
