"""AWS App Runner: services, their configuration, the operations that change them, and the traffic that they answer."""
