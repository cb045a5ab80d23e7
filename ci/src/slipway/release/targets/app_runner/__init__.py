"""AWS App Runner as a target."""
