"""The migration of an environment's database before a release, from the release's own image."""
