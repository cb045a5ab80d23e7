"""Workloads: running services, as processes or containers, with their environments and health checks."""
