"""Amazon ECS on Fargate: task definitions, and single tasks that really run."""
