"""AWS without an account: App Runner, ECR, ECS, CloudFormation and their neighbours over the real wire protocols.

Uses `oci` and `workload`, and nothing of `release`: the two agree on AWS's contract, not on our code.
"""
