"""Callers: accounts, keys, sessions, permissions.

account_grants         Accounts that two administrators grant: new people and keys, other roles,
                       new passwords
accounts               Accounts: keys and users
agencies               Agencies that share a post, and what each role of each agency may see, do
                       and approve
authority              Authority of keys, people and sessions, replayed from the journal
callers                Callers of routes, and what they may reach
credential_commitment  Commitment to a stored secret
credentials            Keys of machines and passwords of people
permissions            Permissions: the roles of each route
oidc_mapping           Mapping of an identity provider's claims to role, post and agency
sessions               Sessions of people who signed in
stored_secrets         Secrets of the store that no record holds
tables                 Tables of keys, users and sessions
throttles              Limits on wrong passwords
user_names             Names of people
"""
