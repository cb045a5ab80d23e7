"""The command line: results go to standard output, progress and errors to standard error."""
