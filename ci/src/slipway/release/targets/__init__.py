"""The places where a service can run."""
