"""Decisions over HTTP and as a page.

answers          Decisions as answers, each as its reader may see it
fast_path        The fast path of an ordinary decision request, past routing and dependencies
page             The page of one decision, its forms, and its inspection order on paper
page_data        One decision as its page shows it to one reader
panels           Panels of a decision's page: the paired post, the usual, ties, and the past
routes           Decisions over HTTP
vehicle_drawing  Drawing of a vehicle with the places of its search order
vehicle_history  The past of a vehicle and its parties, as of a decision
"""
