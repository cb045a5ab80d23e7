"""Reports of a proof: one module per format, and the views that several formats share."""
