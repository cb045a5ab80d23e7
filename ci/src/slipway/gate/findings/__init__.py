"""From what was measured to findings: each module derives those of a family of rules."""
