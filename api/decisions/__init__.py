"""Decisions over HTTP and as a page.

fast_path        The short way of an ordinary request for a decision, past routing and
                 dependencies
history_schemas  What the past of a vehicle and its parties answers
link_graph       Who is linked to a vehicle and its parties, as a small graph of our own drawing
mirror_panel     One vehicle on both sides of the line
page             One decision
page_data        One decision as its page shows it, for one reader
page_forms       What the forms of a decision's page record, through the same records as the
                 JSON routes
reads            Decisions read back, each as its reader may see it
reason_subjects  What reasons are about, in words without figures
routes           Ask for a decision, and read it again
schemas          The answers of the service as data
timeline         The past of a vehicle and its parties on one line of time each, as a drawing of
                 our own
vehicle_drawing  A drawing of a vehicle class from its left side, with the places of a search
                 order numbered
vehicle_history  What a reviewer may know of a vehicle's past
"""
