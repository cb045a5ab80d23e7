"""The move of a service from App Runner to ECS Express Mode: what corresponds, what has no counterpart, and the traffic between both."""
