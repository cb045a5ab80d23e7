"""The finder: facts about a service and obstacles to its adoption, read from its files.

It imports and runs none of them.
"""
