"""An ephemeral Postgres server: found on this machine, started from a cached data directory, deleted after use."""
