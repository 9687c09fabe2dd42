"""Decisions over HTTP and as a page.

fast_path        The fast path of an ordinary decision request, past routing and dependencies
link_graph       Drawing of the entities linked to a vehicle and its parties
mirror_panel     Comparison of a crossing with the record of the paired post
page             The page of one decision and its forms
page_data        One decision as its page shows it to one reader
page_forms       Records made from the forms of a decision's page
reads            Decisions read back, each as its reader may see it
reason_subjects  Subjects of reasons without figures, for checkpoints
routes           Decisions over HTTP
schemas          Answers about decisions
timeline         Drawing of the past of a vehicle and its parties
usual_strips     Strips that mark a vehicle among the usual: time, price, mass
vehicle_drawing  Drawing of a vehicle with the places of its search order
vehicle_history  The past of a vehicle and its parties, as of a decision
"""
