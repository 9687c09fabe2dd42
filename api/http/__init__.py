"""Parts that all routes share: problems, bodies, dependencies, server.

agency_rows            Records, and parts of records, that a caller's agency sees
body_formats           Formats of bodies that declare something, and of the answers to them
connection_limits      Bounds on what an unidentified sender makes the service hold, connection
csv_lists              CSV of the lists that routes answer, made from their JSON
dependencies           Dependencies of routes
guards                 Checks that a caller may reach a post
health                 Health of the service: alive, ready or why not, and its metrics
middleware             ASGI middleware around every request
openapi_examples       One body of each kind, as the document of the service shows it
problems               One place where an error becomes an HTTP problem (RFC 9457), never
request_bodies         Request bodies
request_heads          Request heads that two readers could take in two ways, and headers that
responses              Responses of routes and their documentation
schema_base            Base classes of answers, and answers that several slices share
server                 Server: listening, taking over a socket, and leaving
unauthenticated_limit  Pace of requests that show no key or session known to be valid, by
"""
