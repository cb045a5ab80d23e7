"""AWS: calls, credentials, and the services that a release uses."""
