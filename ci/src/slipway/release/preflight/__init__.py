"""preflight: whatever can be known to fail is refused before the platform is touched, in seconds, by reads alone.

Each part of a service has a file: it looks (a few calls) and judges what it has seen (pure functions). What could not be seen is not covered.
"""
