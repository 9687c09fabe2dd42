"""The desk of supervisors and officers: pages made on the server, readable without a script.

sessions     who is signed in; sign-ins are records, tokens are kept as digests
attempts     wrong passwords slow down whoever tries them
visits       who visits a page: the session, the role by the page's JSON twin, the form's token
routing      security headers, refusals as pages
languages    which language, its catalogue, its numbers and dates
wording      what the engine said, said again in the reader's language
rendering    templates
signing      routes: sign in, sign out, choose a language
home         routes: which posts there are
queue        routes: what waits at a post, live
decision     routes: one decision, a verdict on it, the act that answers it
shift        routes: the shift's report
"""
