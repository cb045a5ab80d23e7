"""Doctor: check that this machine has what slipway needs. It changes, starts and downloads nothing."""
