"""Callers: accounts, keys, sessions, permissions.

account_grants  Accounts that two administrators grant: new people and keys, other roles,
                       new passwords
accounts        Accounts: keys and users, and the names of people
agencies        Agencies that share a post, and what each role of each agency may see, do
                       and approve
authority       Authority of keys, people and sessions, replayed from the journal
callers         Callers of routes, and what they may reach
credentials     Keys of machines and passwords of people, and the commitments to their digests
oidc_mapping    Mapping of an identity provider's claims to role, post and agency
permissions     Permissions: the roles of each route
sessions        Sessions of people who signed in
tables          Tables of keys, users and sessions, and the secrets in them that no record holds
throttles       Limits on wrong passwords
"""
