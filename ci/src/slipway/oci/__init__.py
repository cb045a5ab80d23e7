"""OCI content: digests, manifests, source trees as artifacts, and a small registry client."""
