"""ECS Express Mode: services behind a load balancer, and their deployments with a canary and a rollback."""
