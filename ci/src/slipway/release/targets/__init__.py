"""The platforms on which a service can run."""
