"""Who calls: accounts, keys, sessions, permissions.

accounts               How keys and users come to be
agencies               Agencies that share a post, and what each role of each agency may see, do
                       and approve
authority              Who may do what, replayed from the journal
callers                Who calls, and what they may reach
client_addresses       Addresses of clients, as limits count them
command_throttle       Wrong passwords on the command line slow down the next one, as they do at
                       sign-in
credential_adoption    Adoption of the credentials of a home that is older than commitments,
                       once, as it is upgraded
credential_commitment  Commitment to a stored secret
credentials            Keys of machines and passwords of people
login_throttle         Limits on wrong passwords, by address and name, and by address
permissions            Which role may call which route
sessions               Who is signed in
stored_secrets         Secrets of the store that no record holds
tables                 Who may call
user_names             Names of people
"""
