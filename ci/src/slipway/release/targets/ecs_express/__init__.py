"""AWS ECS Express Mode as a target."""
