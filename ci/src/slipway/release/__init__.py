"""From a digest to a release: observe the service, plan, apply, follow the platform, and diagnose failures. boto3 calls AWS, anyio waits."""
