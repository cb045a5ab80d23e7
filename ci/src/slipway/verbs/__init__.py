"""One verb, one file: what a person asks of slipway, whichever way they ask. The command line and the Dagger object are thin adapters over these."""
