"""Python programs that the service's code starts while the gate runs it: their connections are redirected, too.

A sitecustomize of their own, which this one hides, runs afterwards.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

_HERE = Path(__file__).parent

sys.path.append(str(_HERE.parents[2]))  # of slipway, which the program's own variables may not name
from slipway.gate.redirection import redirect_from_environment  # noqa: E402 -- found there

sys.path.pop()
redirect_from_environment()

_own = PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != str(_HERE)])
if _own and _own.loader:
    sys.modules["sitecustomize"] = _module = module_from_spec(_own)
    _own.loader.exec_module(_module)
