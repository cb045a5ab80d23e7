"""The move of a service from App Runner to ECS Express Mode: the corresponding settings, those without a counterpart, and the shift of traffic."""
