"""A folder for the PYTHONPATH of Python programs that the service's code starts."""
