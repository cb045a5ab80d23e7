"""Why a release failed: rules over log lines, and the evidence for the cause."""
