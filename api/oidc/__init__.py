"""Sign-on by OpenID Connect: what a provider says of a person, and the session that follows.

attempts  One attempt to sign on, kept in the browser alone, and its refusals
mapping   The mapping of claims as a matter of two people
page      Sign on by the identity provider: to it, back from it, and out of it
provider  An identity provider: addresses, keys and verified claims
sign_on   Sign-on by the mapping in force, and its secret files
"""
