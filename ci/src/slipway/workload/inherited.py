"""The variables of this process that a service's code inherits when it is imported or built.

The code may be from an unreviewed pull request, and a CI job has tokens in its variables. So the code inherits only
variables that are known to be harmless, and those that the caller names. The settings cannot name them, because they
are a part of the pull request.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

PASSED: Final = "SLIPWAY_PASS_VARIABLES"
_HARMLESS = (
    "CI",
    "DYLD_*",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "SSL_CERT_*",
    "TMPDIR",
    "TZ*",
    "USER",
)
# uv needs these to find packages and indexes, compilers to build packages.
_INSTALLING = (
    *("HOME", "PATH", "UV_*", "XDG_*", "NETRC", "GIT_*", "SSH_*", "*_PROXY", "*_proxy", "*_CA_BUNDLE"),
    *("AR", "ARCHFLAGS", "CC", "CXX", "CPATH", "LIBRARY_PATH", "*FLAGS", "*_INCLUDE_PATH", "PG_CONFIG", "PKG_CONFIG*"),
    *("CARGO_*", "RUST*", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "SETUPTOOLS_SCM_*"),
)  # fmt: skip
_PUBLISHING = ("UV_PUBLISH_*",)


def inherited(variables: Mapping[str, str], *, installing: bool = False) -> dict[str, str]:
    """Return the variables for a process that runs a service's code or, with `installing`, builds its packages."""
    known = (*_HARMLESS, *_INSTALLING) if installing else _HARMLESS
    named = variables.get(PASSED, "").replace(",", " ").split()
    return {
        name: value
        for name, value in variables.items()
        if _matches(name, named) or (_matches(name, known) and not _matches(name, _PUBLISHING))
    }


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
