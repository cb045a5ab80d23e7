"""Work on this machine: the service in its own Python, the host of the gate, the build of a tree, and guesses about a folder."""
