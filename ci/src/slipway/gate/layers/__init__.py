"""The layers of the gate.

Each executes all revisions, or all new ones, to answer one question. The stairway is first; the others run in parallel.
"""
