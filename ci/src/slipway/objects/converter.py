"""The converter of dagger-io, made once instead of for each step of a query.

Making one takes longer than the step: half of what the client does in a registration. Being imported, this takes the place of a
function of dagger-io 0.21.11, which the lock pins.
"""

from typing import Any

import dagger.client._core as core

_make_converter = core.make_converter
_PLAIN = _make_converter(core.Context())
_PRIMITIVE = (str, bool, int, type(None))


class Converter:
    """The converter of a query's context; only objects in an answer need one of their own."""

    def __init__(self, context: core.Context) -> None:
        self._context = context
        self.unstructure = _PLAIN.unstructure

    def structure(self, value: Any, kind: Any) -> Any:
        return (_PLAIN if kind in _PRIMITIVE else _make_converter(self._context)).structure(value, kind)


core.make_converter = Converter  # type: ignore[assignment]
