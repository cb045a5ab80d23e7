"""The service's git repository: its commits, and its migrations at the ref of `--since`."""
