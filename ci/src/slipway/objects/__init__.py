"""The Dagger objects besides the main one, and what all of them share. Nothing heavy is imported at the top: see main.py."""
