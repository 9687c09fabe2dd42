"""Standard messages over HTTP: what comes in instead of JSON, and the answers in kind.

advance_bodies  Declarations ahead in request bodies: JSON, or a standard message
arrival_bodies  Arrivals in request bodies: JSON, or a standard message and query parameters
documentation   Documentation of messages in OpenAPI
doors           The doors of the area of standard messages, which are bodies of routes of the core
formats         Bodies and answers of a service that takes standard messages besides JSON
wco_response    Answers as responses of the WCO Data Model (RES)
"""
