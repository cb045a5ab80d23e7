"""A Postgres server for a few seconds or minutes: found on this machine, started from a cached data directory, thrown away."""
