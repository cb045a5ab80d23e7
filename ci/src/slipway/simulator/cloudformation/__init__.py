"""AWS CloudFormation, as far as stacks are made by change sets: what a template names is really made in the simulated account, where that knows it."""
