"""The nouns that a release passes through, each a frozen dataclass with a versioned JSON form; standard library only.

Source -> Image -> Proof -> Plan -> Migration -> Outcome -> Release
"""
