"""AWS App Runner: services, their configuration, operations and traffic."""
