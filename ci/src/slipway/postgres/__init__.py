"""An ephemeral Postgres server.

Its binaries are found on this machine, and its data directory is a cached one that is deleted after use.
"""
