"""The engine, which brings a service to any goal by the same steps. It knows only the protocols Target and Ledger."""
