"""Findings from measured facts: each module derives the findings of one family of rules."""
