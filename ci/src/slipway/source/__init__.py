"""Source: a commit of the service's git repository."""
