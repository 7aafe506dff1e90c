"""Authentication and authorization: Basic credentials, access tokens, and the roles that a token grants."""
