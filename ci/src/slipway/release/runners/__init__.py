"""Who migrates an environment's database before a release, from the release's own image; never the service's start command."""
