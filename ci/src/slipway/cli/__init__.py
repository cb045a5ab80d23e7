"""The command line: a file for each group of verbs, each an adapter over `slipway.verbs`. Results go to standard output, the rest to standard error."""
