"""Source: commits of the service's git repository, and its migrations at the ref of `--since`."""
