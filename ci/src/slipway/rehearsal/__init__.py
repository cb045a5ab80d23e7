"""`slipway rehearse`: a whole release against the simulated account, in five acts, on one machine."""
