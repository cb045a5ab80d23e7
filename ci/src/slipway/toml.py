"""The reader of TOML: the standard library's, or tomli on Python 3.10."""

import sys

if sys.version_info >= (3, 11):
    from tomllib import loads  # noqa: TID251 -- here it is defined for all
else:
    from tomli import loads

__all__ = ["loads"]
