"""Types of the blocking client, made from the source of the asynchronous client: writes matcher/client/sync.pyi."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from matcher.client import MatcherClient, sync

FILE: Final = Path(sync.__file__ or "").with_suffix(".pyi")
STREAMS: Final = frozenset({"AsyncIterator", "AsyncGenerator"})
HEAD: Final = '''"""Written by `python -m tests.client.sync_types`; do not edit."""

from typing import Self

from matcher.client.blocking import Stream as Stream
'''


class _Blocking(ast.NodeTransformer):
    """Makes annotations of a module those of blocking methods; `used`: the names that they need."""

    def __init__(self, renamed: dict[str, str]) -> None:
        self.renamed = renamed
        self.used: set[str] = set()

    def visit_Name(self, node: ast.Name) -> ast.Name:
        self.used.add(node.id)
        return ast.Name(self.renamed.get(node.id, node.id))

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in STREAMS:
            inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
            return ast.Subscript(ast.Name("Stream"), self.visit(inner))
        return self.generic_visit(node)


def types() -> str:
    """Return the text of sync.pyi, before it is formatted."""
    imports: set[str] = set()
    body: list[str] = []
    for owner in MatcherClient.__mro__:
        if owner.__module__.startswith("matcher.client.") and owner is not MatcherClient:
            body += _methods(owner, imports)
    return f"{HEAD}{chr(10).join(sorted(imports))}\n\nclass MatcherClient:\n" + "\n".join(body) + "\n"


def _methods(owner: type, imports: set[str]) -> Iterator[str]:
    module = ast.parse(inspect.getsource(importlib.import_module(owner.__module__)))
    (found,) = [one for one in module.body if isinstance(one, ast.ClassDef) and one.name == owner.__name__]
    origins = _origins(module)
    blocking = _Blocking({name: origin[1] for name, origin in origins.items()})
    for function in found.body:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or not _shown(function.name):
            continue
        arguments = blocking.visit(function.args)
        arguments.defaults = [ast.Constant(...) for _ in arguments.defaults]
        arguments.kw_defaults = [one and ast.Constant(...) for one in arguments.kw_defaults]
        answer = blocking.visit(function.returns) if function.returns else None
        plain = ast.FunctionDef(
            function.name, arguments, [ast.Expr(ast.Constant(...))], function.decorator_list, answer
        )
        yield "    " + ast.unparse(ast.fix_missing_locations(plain)).replace("\n", "\n    ")
    for name in blocking.used & origins.keys():
        package, original = origins[name]
        if name not in {"Self", *STREAMS}:
            imports.add(f"from {package} import {original}" if package else f"import {original}")
    own = {one.name for one in module.body if isinstance(one, ast.ClassDef)}
    imports.update(f"from {owner.__module__} import {name}" for name in blocking.used & own)


def _origins(module: ast.Module) -> dict[str, tuple[str, str]]:
    """Return where each imported name comes from: the module and the name there."""
    found = {}
    for one in module.body:
        if isinstance(one, ast.ImportFrom):
            found.update({name.asname or name.name: (one.module or "", name.name) for name in one.names})
        elif isinstance(one, ast.Import):
            found.update({name.asname or name.name: ("", name.name) for name in one.names})
    return found


def _shown(name: str) -> bool:
    return name == "__init__" or name in {"open", "close"} or not name.startswith("_")


def shape(text: str) -> str:
    """Return a text of Python without its layout, so that two can be compared."""
    tree = ast.parse(text)
    body = [one for one in tree.body if not isinstance(one, ast.Import | ast.ImportFrom | ast.Expr)]
    return "\n".join(ast.unparse(one) for one in body)


def with_context(text: str) -> str:
    """Return the text with the methods of `with`."""
    return text + "    def __enter__(self) -> Self: ...\n    def __exit__(self, *_: object) -> None: ...\n"


if __name__ == "__main__":
    FILE.write_text(with_context(types()), "utf-8")
