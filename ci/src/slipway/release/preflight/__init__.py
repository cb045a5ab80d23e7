"""The preflight: within seconds and by reads only, refuse a deployment that would fail, before the platform is changed."""
