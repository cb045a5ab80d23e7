"""Notes: a small service with a database, meant to be copied."""
