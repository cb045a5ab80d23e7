"""The Dagger objects besides the main one, and the code that they share.

Nothing heavy is imported at the top; main.py explains why.
"""
