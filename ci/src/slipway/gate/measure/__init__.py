"""Measurements of a database: its catalog as lines, the locks of a statement, the trace of all statements."""
