"""The finder: facts about a service and obstacles in its way, read from its files only; nothing is imported or run."""
