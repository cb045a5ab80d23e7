"""The result of every command in each form in which it is read; modules as those of `slipway.commands`, so that a command imports few records."""
