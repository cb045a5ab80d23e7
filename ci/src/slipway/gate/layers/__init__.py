"""The layers of the gate, the stairway first, the others beside one another: each executes every revision, or every new one, to answer one question."""
