"""Hash the code that a method runs, so that results of different code are not mixed."""

import ast
import hashlib
import importlib
import inspect
from functools import cache
from pathlib import Path

__all__ = ["fingerprint"]


def fingerprint(thing, *details):
    """Hash all definitions of the package and the script that a class or function can reach.

    Docstrings and definitions that are never named do not count. A class that is made at run time
    counts as reaching all classes and functions of its script.

    Parameters
    ----------
    thing : type or function
        Class of a method, or a function.
    *details : object
        Everything else that defines the method, such as its parameters; their ``repr`` is hashed.

    Returns
    -------
    code : str
        Ten hexadecimal digits.
    """
    module = inspect.getmodule(thing).__name__
    definitions, _ = parse(module)
    left = [(module, thing.__name__)]
    if thing.__name__ not in definitions:
        left = [(module, name) for name, node in definitions.items() if not is_value(node)]
    reached = {}
    while left:
        key = left.pop()
        if key not in reached:
            reached[key], used = read(*key)
            left += used
    codes = sorted(code for code in reached.values() if code is not None)
    text = "\n".join([*codes, repr(details)])
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@cache
def read(module, name):
    """Return the code of a definition and the (module, name) of all it uses; None, () if absent."""
    definitions, imports = parse(module)
    if name not in definitions:
        return None, ()
    names = {node.id for node in ast.walk(definitions[name]) if isinstance(node, ast.Name)}
    return ast.unparse(definitions[name]), [imports.get(used, (module, used)) for used in names]


def is_value(node):
    """Tell whether a definition is an assignment, not a class or function."""
    return isinstance(node, ast.Assign | ast.AnnAssign)


@cache
def parse(module):
    """Return the definitions of a module by name, and the origin of names from the package."""
    path = Path(importlib.import_module(module).__file__)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions, imports = {}, {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "skdidan":
            for alias in node.names:
                imports[alias.asname or alias.name] = origin(node.module, alias.name), alias.name
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            definitions[node.name] = without_docstrings(node)
        elif is_value(node):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (name for target in targets for name in ast.walk(target))
            definitions |= {name.id: node for name in names if isinstance(name, ast.Name)}
    return definitions, imports


def origin(module, name):
    """Return the module that defines a name, which a package may re-export in its __init__."""
    package = importlib.import_module(module)
    if not hasattr(package, "__path__"):
        return module
    defining = inspect.getmodule(getattr(package, name))  # None for a table
    return module if defining is None else defining.__name__


def without_docstrings(tree):
    """Replace the docstrings of a definition by None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    return tree
