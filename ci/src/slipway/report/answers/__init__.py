"""The result of every command, in each form in which it is read.

There is a module for each module of `slipway.commands`, so that a command imports few records.
"""
