"""Containers: the image, Postgres and the gate. Only this room, main.py and objects import dagger."""
