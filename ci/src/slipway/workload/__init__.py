"""Workloads: running instances of a service, as processes or containers, with their virtual environments and health checks."""
