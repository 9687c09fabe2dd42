"""Sign-on by OpenID Connect: what a provider says of a person, and the session that follows."""
