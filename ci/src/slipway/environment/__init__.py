"""One environment of a service: what is live there, and what changes it."""
