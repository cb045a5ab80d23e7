"""Work on this machine: start the service in its own Python, run the gate, build a tree, guess settings from a folder."""
