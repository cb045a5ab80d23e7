"""What the gate objects to. A rule is data: an id, a level, its effect in a sentence; it fires from what was executed, never from text alone."""
