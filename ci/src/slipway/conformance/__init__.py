"""The suite that checks the simulator's documentation of AWS against an account, through AWS's public API only.

The account may be simulated or real; the suite knows neither the simulator nor the release engine.
"""
