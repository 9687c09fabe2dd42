"""Events to other systems, over HTTP and as a page.

answers   Webhooks and what they have not acknowledged yet, as answers
delivery  Delivery of events: attempts, and the worker that makes them
page      The page of the webhooks and their dead letters
routes    Webhooks over HTTP
steps     Registration of webhooks: their addresses, their signing secrets, each step recorded
"""
