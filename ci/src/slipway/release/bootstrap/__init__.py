"""What must be in an account before the first deployment, from the settings: CloudFormation templates, and stacks that are shown before they are made."""
