"""Reports of a proof: a module for each format, `programs` for formats that programs read, and views that several formats share."""
