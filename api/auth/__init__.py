"""Who calls: accounts, keys, sessions, permissions.

accounts               How keys and users come to be
agencies               Agencies that share a post, and what each role of each agency may see, do
                       and approve
authority              Who may do what, replayed from the journal
callers                Who calls, and what they may reach
credential_adoption    Adoption of the credentials of a home that is older than commitments,
                       once, as it is upgraded
credential_commitment  Commitment to a stored secret
credentials            Keys of machines and passwords of people
permissions            Which role may call which route
oidc_mapping           What the claims of an identity provider grant
sessions               Who is signed in
stored_secrets         Secrets of the store that no record holds
tables                 Who may call
throttles              Limits on wrong passwords
user_names             Names of people
"""
