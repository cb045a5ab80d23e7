"""AWS as the release needs it: calls, credentials, and the stores behind them."""
