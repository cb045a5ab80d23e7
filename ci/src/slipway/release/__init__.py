"""From a digest to the truth: observe, plan, apply, follow, settle, and say why. boto3 for AWS, anyio for waiting."""
