"""The records that rooms exchange: frozen dataclasses with a versioned JSON form, standard library only.

Source -> Image -> Proof -> Plan -> Migration -> Outcome -> Release
"""
