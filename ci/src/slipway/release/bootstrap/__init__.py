"""Bootstrap: the roles and resources that an account needs before the first deployment, created by CloudFormation."""
