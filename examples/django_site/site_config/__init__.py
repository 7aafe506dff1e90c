"""Settings, addresses and the application of the site."""
