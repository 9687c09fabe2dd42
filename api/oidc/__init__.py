"""Sign-on by OpenID Connect: what a provider says of a person, and the session that follows.

attempts      One attempt to sign on, kept in the browser alone
doors         The doors of the area of sign-on by an identity provider
page          Sign on by the identity provider: to it, back from it, and out of it
provider      An identity provider: addresses, keys and verified claims
refusals      Refusals of a sign-on
secret_files  Secret files of sign-on
sign_on       Sign-on by the mapping in force
"""
