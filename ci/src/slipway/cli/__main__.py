"""`python -m slipway.cli` is the command `slipway`."""

from slipway.cli.command import main

if __name__ == "__main__":
    main()
