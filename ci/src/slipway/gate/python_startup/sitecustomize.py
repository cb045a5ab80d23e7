"""Redirect the connections of Python programs that the service's code starts while the gate runs.

The program's own sitecustomize, which this module hides, runs afterwards.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

_HERE = Path(__file__).parent

sys.path.append(str(_HERE.parents[2]))  # the folder with slipway, which the program's own PYTHONPATH may lack
from slipway.gate.redirection import redirect_from_environment  # noqa: E402 -- found there

sys.path.pop()
redirect_from_environment()

_own = PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != str(_HERE)])
if _own and _own.loader:
    sys.modules["sitecustomize"] = _module = module_from_spec(_own)
    _own.loader.exec_module(_module)
