"""The service, its pages, and the command line.

__main__       ``python -m api COMMAND``
account        A person's own account, as a page
acts           Acts at a post: reported, corrected, confirmed and audited, over HTTP and as pages
app            The service
area_names     Names of the areas of the service, where each is declared, and its commands
areas          Areas of the service: routes, pages, menu, commands and workers of each
attentions     Requests between partners, over HTTP and as a page
audit          The journal and its draws over HTTP and as pages; verification of a home
auth           Callers: accounts, keys, sessions, permissions
cases          Cases over HTTP: what follows a find
cli            The command line: one module a group of commands
client         The Python client of the HTTP contract
decisions      Decisions over HTTP and as a page
declarations   Declarations ahead of their vehicles, over HTTP and as a page
demonstration  Weeks and shifts that are lived on synthetic data, and links
doors          Doors of the areas: routes, pages, menu entries, parts and workers of each
drift          Drift over HTTP and as a page
exercises      Exercises of officers: a home of its own, picks, debriefings, certificates
http           Parts that all routes share: problems, bodies, dependencies, server
integrity      The integrity report of a post, over HTTP and as a page
links          Links between installations, over HTTP, by file, and as pages
messages       Standard messages over HTTP, and the answers in kind
migrations     Migrations of the store
models         Models over HTTP and as a page
network        The overview of all posts, over HTTP and as a page
notifications  Waiting approvals, hits of the watch list and alarms, over HTTP and as a page
oidc           Sign-on by OpenID Connect
people         People and keys over HTTP and as a page, and the page of invitations
profiles       Risk profiles over HTTP and as pages
proposals      Everything that needs two people: one resource, one writer, one list
quality        Quality of the data over HTTP and as a page
queue          The queue of a post, over HTTP and as a page
search         Search for vehicles over HTTP and as a page
service        The running service: settings, parts, metrics, logs
shifts         Shifts and rosters over HTTP and as a page
site           Routes and pages of the service
watchlist      The watch list over HTTP and as a page
web            Parts that all pages share: templates, languages, labels, forms
webhooks       Events to other systems, over HTTP and as a page
"""
