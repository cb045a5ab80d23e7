"""The meaning of a revision's code, without layout and comments."""

import ast
import warnings


def meaning(source: bytes) -> str | bytes:
    """Return the syntax tree of code as text, without comments, docstrings, annotations and layout."""
    try:
        # warnings about invalid escapes are for the service's developers
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(_WithoutWords().visit(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):  # syntax of a newer Python, or hundreds of texts joined by +
        return source


class _WithoutWords(ast.NodeTransformer):
    """A transformer that removes everything without effect when a revision runs."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return self.generic_visit(ast.Assign([node.target], node.value)) if node.value else None

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)
