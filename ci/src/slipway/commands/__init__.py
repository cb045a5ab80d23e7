"""Commands: a description for each, from which the command line, the Dagger object, the reference pages and test tables are made."""
