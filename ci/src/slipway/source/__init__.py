"""Source: commits of the service's git repository."""
