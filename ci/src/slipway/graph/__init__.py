"""Containers: the image, Postgres and the gate. Only this room, main.py and the room objects import dagger."""
