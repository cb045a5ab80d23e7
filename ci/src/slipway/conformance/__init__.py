"""The suite that compares the simulator's documentation of AWS with an account, through AWS's public API only.

The account may be simulated or real. The suite knows neither the simulator nor the release engine.
"""
