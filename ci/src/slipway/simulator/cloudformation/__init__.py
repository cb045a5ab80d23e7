"""AWS CloudFormation: stacks made with change sets; resources really exist where the simulated account knows their service."""
