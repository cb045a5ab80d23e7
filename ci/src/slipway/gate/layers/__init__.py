"""The layers of the gate, cheapest first: each executes every revision, or every new one, to answer one question."""
