"""AWS CloudFormation: stacks made with change sets. Resources really exist when the simulated account has their service."""
