"""A bootstrap for a terminal: what would change or has changed, resource by resource."""

from collections.abc import Iterator

from slipway.records.bootstrap import Bootstrap, ResourceChange, ResourceFailure, Result, StackChange
from slipway.untrusted import one_line

_SIGNS = {"Add": "+", "Import": "=", "Modify": "~", "Remove": "-"}
_REPLACED = {"True": "is replaced", "Conditional": "may be replaced"}
_EXISTS = ("already exists", "AlreadyExists")


def text(bootstrap: Bootstrap) -> str:
    """Render the whole report; the last line says what to do next."""
    parts = [line for stack in bootstrap.stacks for line in _stack(stack)]
    return "\n".join([*parts, _next(bootstrap)]) + "\n"


def _stack(stack: StackChange) -> Iterator[str]:
    kind = "new stack" if stack.is_new else "stack"
    yield f"{stack.result.value} {kind} {one_line(stack.stack)} in {one_line(stack.region)}"
    yield from (_change(change) for change in stack.changes)
    yield from (_failure(failure) for failure in stack.failures)
    yield from (f"  {one_line(place)}: {one_line(value)}" for place, value in stack.outputs.items())


def _change(change: ResourceChange) -> str:
    named = f" {one_line(change.physical)}" if change.physical else ""
    replaced = f" ({_REPLACED[change.replacement]})" if change.replacement in _REPLACED else ""
    sign = _SIGNS.get(change.action, "?")
    return f"  {sign} {one_line(change.action):6} {one_line(change.kind)} {one_line(change.name)}{named}{replaced}"


def _failure(failure: ResourceFailure) -> str:
    exists = any(words in failure.reason for words in _EXISTS)
    remedy = "; delete it, or choose another name in the settings" if exists else ""
    return f"  {one_line(failure.kind)} {one_line(failure.name)}: {one_line(failure.reason, 600)}{remedy}"


def _next(bootstrap: Bootstrap) -> str:
    results = {stack.result for stack in bootstrap.stacks}
    if Result.FAILED in results:
        return "CloudFormation has rolled back the failed changes; fix the cause and run the same command again"
    if Result.PROPOSED in results:
        return "nothing was changed; run the same command with --apply to make these changes"
    return "all resources match the settings"
