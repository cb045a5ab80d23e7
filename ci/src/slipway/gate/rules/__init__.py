"""The checks: each derives findings of a family of rules from what was measured."""
