"""Doctor: check what slipway needs on this machine. Nothing is changed, started or downloaded."""
