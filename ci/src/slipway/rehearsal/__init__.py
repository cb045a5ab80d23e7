"""`slipway rehearse`: a whole release against the simulated account, in three acts, on one machine."""
