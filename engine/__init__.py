"""The domain and the spine: records, journal, selection, decisions.

records     what the world reports, one definition each
validation  what a refused record is told
network     which posts there are, and who faces whom
identifiers plates, containers, VINs: folding and check digits as signals
errors      what can go wrong, as facts a caller can act on
ports       what the engine asks of the layers above it
store       one engine for SQLite and PostgreSQL, one writer's lock
chain       what a record commits to, byte by byte
journal     the append-only, hash-chained record of everything
writer      many requests, one durable commit
receipts    what a sender can hold against a rewritten journal
verify      whether the journal still is what was acknowledged
erasures    signed records that name the bodies which may be missing
anchors     files of a home that records hold the digest of
replay      the journal through its projections again, into a scratch store
comparison  two stores, table by table; foreign_objects: triggers, views and rules
draws       seeds nobody can steer, one number in [0, 1) for each purpose
assignment  which team inspects, by lot
selection   from probabilities and draws to a channel and its propensity
trial       two models that share the picks: who leads an arrival, by lot
decision    a decision as data, and what each role may see of it
places      where to look first in a red vehicle; place_table: the checklist it learns from
matches     what somebody wrote down beforehand that fits an arrival
twokeys     what takes effect only once a second person agreed
profiles    risk profiles: what one is, and where each stands
            profile_matching: which of them fit; profile_hits: what became of their matches
            profile_language: what one means and may cost (profile_names, profile_calls:
            the rules of its parts, profile_parts); profile_syntax: how it is read;
            profile_fields: what it may ask for; profile_program: ready to run
watchlist   whom to look at whatever the score says
minutes     how long an inspection takes, learnt from acts
roster      what share of arrivals may spend what is left of a shift; rosters: who put which
workload    where a shift stands: what it has spent, what is still to come
amending    a declaration changed after its vehicle was decided on
reviews     what supervisors said about decisions
mirror      the paired post's record that comes late
targeting   the path of a declaration, one screen
"""
