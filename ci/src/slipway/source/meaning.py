"""The effect of a revision's code, apart from its layout and comments."""

import ast
import warnings


def meaning(source: bytes) -> str | bytes:
    """Reduce code to its syntax tree, without comments, docstrings, annotations and layout."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about invalid escapes, which concern the service
            return ast.dump(_WithoutWords().visit(ast.parse(source)))
    except (SyntaxError, ValueError):  # syntax of a newer Python than this one
        return source


class _WithoutWords(ast.NodeTransformer):
    """Removes what has no effect when a revision runs."""

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
