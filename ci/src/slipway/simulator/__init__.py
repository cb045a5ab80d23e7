"""AWS without an account: App Runner, ECR, ECS, CloudFormation and related services, with AWS's real protocols.

It uses the rooms `oci` and `workload`, but nothing of `release`: both rely on AWS's contract, not on each other's code.
"""
