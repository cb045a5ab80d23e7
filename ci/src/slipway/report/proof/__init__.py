"""Reports of a proof: a module per format, `programs` for those that programs read, and the views that several formats share."""
