"""Parts that all routes share: problems, bodies, dependencies, server.

access             Access of a caller: posts that it may reach, records of agencies that it sees
answers            Base class of answers, and answers that several slices share
connection_limits  Bounds on what an unidentified sender makes the service hold
csv_lists          CSV of the lists that routes answer, made from their JSON
dependencies       Dependencies of routes
health             Health of the service: alive, ready or why not, and its metrics
middleware         ASGI middleware around every request; pace of requests without a key
problems           One place where an error becomes an HTTP problem (RFC 9457), never
request_bodies     Request bodies: bounded, checked, parsed; the formats in which they come
responses          Responses of routes and their documentation, with an example of each body
server             Server: listening, taking over a socket, and leaving
"""
