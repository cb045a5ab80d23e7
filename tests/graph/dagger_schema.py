"""The GraphQL schema that dagger-io's generated client implies, as SDL: the client asks an engine for one before it sends its first query."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import dagger.client.gen

_HEAD = "scalar Any\nschema { query: Query }\n"


def sdl() -> str:
    """One type for each class of the client, one field for each method."""
    module = ast.parse(Path(dagger.client.gen.__file__).read_text())
    classes = {_type_name(node): node for node in module.body if isinstance(node, ast.ClassDef) and _asks(node)}
    types = {name: dict(_fields(node, set(classes))) for name, node in classes.items()}
    return _HEAD + "\n".join(f"type {name} {{ {' '.join(fields.values())} }}" for name, fields in types.items())


def _type_name(node: ast.ClassDef) -> str:
    """Interfaces have a protocol of their name and a client of that name."""
    return node.name[1:].removesuffix("Client") if node.name.startswith("_") else node.name


def _asks(node: ast.ClassDef) -> bool:
    return any(_calls(method, "_select") for method in _methods(node))


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [method for method in node.body if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _fields(node: ast.ClassDef, classes: set[str]) -> Iterator[tuple[str, str]]:
    for method in _methods(node):
        yield from _field(method, classes, _type_name(node))


def _field(method: ast.FunctionDef | ast.AsyncFunctionDef, classes: set[str], own: str) -> Iterator[tuple[str, str]]:
    selected = [call.args[0].value for call in _calls(method, "_select") if isinstance(call.args[0], ast.Constant)]
    names = [call.args[0].value for call in _calls(method, "Arg") if isinstance(call.args[0], ast.Constant)]
    lists = {
        argument.arg
        for argument in method.args.args + method.args.kwonlyargs
        if "list[" in ast.unparse(argument.annotation or ast.Constant(0))
    }
    synced = [call.args[1].value for call in _calls(method, "execute_sync") if isinstance(call.args[1], ast.Constant)]
    for field in (selected + synced)[:1]:
        typed = ", ".join(f"{name}: {'[Any]' if _snake(name) in lists else 'Any'}" for name in names)
        arguments = f"({typed})" if typed else ""
        yield str(field), f"{field}{arguments}: {_returned(method, classes, own)}"


def _calls(method: ast.AST, name: str) -> list[ast.Call]:
    return [call for called, call in _every_call(method) if called == name]


@cache
def _every_call(method: ast.AST) -> list[tuple[str, ast.Call]]:
    calls = [node for node in ast.walk(method) if isinstance(node, ast.Call) and node.args]
    return [(getattr(call.func, "attr", getattr(call.func, "id", "")), call) for call in calls]


def _returned(method: ast.FunctionDef | ast.AsyncFunctionDef, classes: set[str], own: str) -> str:
    said = ast.unparse(method.returns or ast.Constant("")).strip("'\"")
    if said == "Self" and isinstance(method, ast.FunctionDef):
        return own
    bare = said.removeprefix("list[").removesuffix("]").strip("'\"")
    if (
        method.name == "sync"
        or bare not in classes
        or (isinstance(method, ast.AsyncFunctionDef) and not said.startswith("list["))
    ):
        return "Any"
    return f"[{bare}]" if said.startswith("list[") else bare


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
