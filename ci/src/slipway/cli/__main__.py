"""Run the command `slipway` as `python -m slipway.cli`."""

from slipway.cli.command import main

if __name__ == "__main__":
    main()
