"""Containers: the image, Postgres and the gate. Only this room and main.py import dagger."""
