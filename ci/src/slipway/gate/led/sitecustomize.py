"""Python programs that the service's code starts while the gate runs it: their connections are led, too."""

from slipway.gate.redirection import lead_from_environment

lead_from_environment()
