"""What the simulator's documentation says of AWS, held against an account through nothing but AWS's public API.

The account may be the simulator's own or a real one; the suite knows neither the simulator nor the release engine.
"""
