"""Notes: a small service with a database, written to be copied."""
