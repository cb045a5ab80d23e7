"""AWS for machines without an account: App Runner, ECR, ECS, CloudWatch Logs, Secrets Manager and STS over the real wire protocols.

It uses oci and workload, and nothing of release: what the two must agree on is AWS's contract, not our code.
"""
