"""Preflight: what is known to fail is refused before the platform is changed, within seconds, by reads only."""
