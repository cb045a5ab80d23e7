"""OCI content: digests, manifests, the artifact that a source tree is shipped as, and a small registry client."""
