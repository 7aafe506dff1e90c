"""Who may do what: Basic credentials, access tokens, and the roles that a token grants."""
