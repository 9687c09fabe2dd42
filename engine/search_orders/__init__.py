"""Search orders: what is seen of a vehicle, what searches taught, and the order of steps."""
