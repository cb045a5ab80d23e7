"""One description of each command.

The command line, the Dagger object, the reference pages and the tables of tests are made from it.
"""
