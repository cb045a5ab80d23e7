"""Diagnosis of a failed release: rules over log lines, and the lines behind the cause."""
