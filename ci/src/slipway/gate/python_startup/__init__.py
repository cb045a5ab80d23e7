"""A folder on the PYTHONPATH of Python programs that the service's code starts."""
