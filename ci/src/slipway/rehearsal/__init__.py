"""rehearse: the whole way of a release on one machine, without an account, against the simulator, in three acts."""
