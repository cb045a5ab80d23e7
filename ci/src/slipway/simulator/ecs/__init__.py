"""Amazon ECS, as far as single tasks are run on Fargate: task definitions, and tasks that really run until they end."""
