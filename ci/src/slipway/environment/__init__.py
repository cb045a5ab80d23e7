"""One environment of a service: its live release, and the commands that change it."""
