"""Reports of plans, outcomes, diagnoses, situations and histories."""
