"""The engine: any goal of a service, reached by one way. It knows the protocols Target and Ledger only."""
