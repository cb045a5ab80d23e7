"""Containers: the image's stages, Postgres, the gate. With main.py the only room that imports dagger."""
