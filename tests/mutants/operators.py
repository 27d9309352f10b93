"""The small faults that a test has to notice, drawn from a module's syntax tree.

The kinds follow DeMillo, Lipton and Sayward (1978): faults of one place, such as a
tired hand makes. Texts are left alone, because their wording is held elsewhere.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
# Calls whose arguments are words for people, or say how fast and not what.
SILENT_CALLS = frozenset({"Message", "njit", "jit", "NewType", "TypeVar", "Literal"})
# Arguments that say how an object is built; without them the same object is built.
SILENT_KEYWORDS = frozenset({"strict", "slots", "frozen", "kw_only", "cache", "default_factory"})


@dataclass(frozen=True)
class Mutant:
    """One fault: where it stands, what stood there, what stands there now."""

    path: str
    line: int
    function: str
    kind: str
    before: str
    after: str
    statement_line: int = 0

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Return what names the mutant after lines have moved."""
        return self.path, self.function, self.kind, self.before, self.after

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line} [{self.function}] {self.kind}: {self.before} => {self.after}"
        )


Replacement = tuple[str, ast.AST | None]


def replacements(node: ast.AST) -> Iterator[Replacement]:
    """Yield each fault that can stand in the node's place; `None` drops a statement."""
    yield from _operator_faults(node)
    yield from _choice_faults(node)
    yield from _value_faults(node)
    yield from _statement_faults(node)


def _operator_faults(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Compare(ops=operators):
            for place, operator in enumerate(operators):
                for turned in _turned_comparisons(operator):
                    changed = [*operators]
                    changed[place] = turned
                    yield "comparison", _with(node, ops=changed)
        case ast.BinOp(op=ast.BitOr(), right=ast.Name(id=name)) if name[0].isupper():
            return  # a union of types
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in ARITHMETIC:
            yield "arithmetic", _with(node, op=ARITHMETIC[type(operator)]())
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield "arithmetic", operand
        case _:
            return


def _turned_comparisons(operator: ast.cmpop) -> Iterator[ast.cmpop]:
    yield COMPARISONS[type(operator)]()
    if isinstance(operator, ast.Lt | ast.LtE):
        yield ast.GtE()
    if isinstance(operator, ast.Gt | ast.GtE):
        yield ast.LtE()


def _choice_faults(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", operand
        case ast.BoolOp(op=operator):
            turned = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "boolean", _with(node, op=turned)
        case ast.IfExp(body=body, orelse=orelse):
            yield "boolean", _with(node, body=orelse, orelse=body)
        case ast.If(test=ast.UnaryOp(op=ast.Not()) | ast.Compare(ops=[_]) | ast.BoolOp()):
            return  # turned already, inside
        case ast.If(test=test):
            yield "boolean", _with(node, test=ast.UnaryOp(ast.Not(), test))
        case _:
            return


def _value_faults(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Constant(value=bool() as value):
            yield "boolean", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield "constant", ast.Constant(value + 1)
        case ast.Subscript(slice=ast.Slice(lower=ast.expr()) as part, ctx=ast.Load()):
            yield "index", _with(node, slice=_with(part, lower=None))
        case ast.Subscript(slice=ast.Slice(upper=ast.expr()) as part, ctx=ast.Load()):
            yield "index", _with(node, slice=_with(part, upper=None))
        case ast.Set(elts=[_]):
            yield "dropped element", ast.parse("set()", mode="eval").body
        case ast.Set(elts=elements):
            for place in range(len(elements)):
                yield "dropped element", _with(node, elts=elements[:place] + elements[place + 1 :])
        case _:
            return


def _statement_faults(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Raise():
            yield "dropped raise", None
        case ast.Expr(value=ast.Call()) | ast.Continue() | ast.Break() | ast.Assert():
            yield "dropped statement", None
        case ast.Return(value=ast.expr() as value):
            if not (isinstance(value, ast.Constant) and value.value is None):
                yield "returned None", ast.Return(ast.Constant(None))
        case _:
            return


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def mutants_of_source(path: str, text: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    return [
        Mutant(
            path,
            place.line,
            place.function,
            kind,
            _short(place.node),
            _name(replacement),
            place.statement_line,
        )
        for place, kind, replacement in _faults(ast.parse(text))
    ]


def mutated_source(text: str, number: int) -> str:
    """Return the module's text with the mutant of that number in it."""
    tree = ast.parse(text)
    place, _, replacement = next(fault for n, fault in enumerate(_faults(tree)) if n == number)
    new = ast.Pass() if replacement is None else replacement
    if place.index is None:
        setattr(place.parent, place.field, new)
    else:
        getattr(place.parent, place.field)[place.index] = new
    return ast.unparse(ast.fix_missing_locations(tree))


@dataclass(frozen=True)
class Place:
    """Where a node hangs in the tree."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    function: str
    statement_line: int

    @property
    def line(self) -> int:
        """Return the line where the node begins."""
        return getattr(self.node, "lineno", 0)


def _faults(tree: ast.Module) -> Iterator[tuple[Place, str, ast.AST | None]]:
    # A list, because a fault that is put in place changes the tree under the walk.
    for place in list(_mutable_places(tree, "<module>")):
        for kind, replacement in replacements(place.node):
            yield place, kind, replacement


def _name(replacement: ast.AST | None) -> str:
    return "(dropped)" if replacement is None else _short(replacement)


def _mutable_places(node: ast.AST, function: str, statement: int = 0) -> Iterator[Place]:
    """Yield the nodes that decide something: no annotation, decorator, docstring or message."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params", "type_comment"}:
            continue
        whole = isinstance(value, list)
        for index, child in enumerate(value if whole else [value]):
            if not isinstance(child, ast.AST) or _is_silent(child):
                continue
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = child.name if function == "<module>" else f"{function}.{child.name}"
            line = child.lineno if isinstance(child, ast.stmt) else statement
            yield Place(node, name, index if whole else None, child, inner, line)
            yield from _mutable_places(child, inner, line)


def _is_silent(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in SILENT_CALLS
        case ast.keyword(arg=name):
            return name in SILENT_KEYWORDS
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr():
            return True
        case _:
            return False


def _short(node: ast.AST) -> str:
    # Only the head of a block, because its body may be a page.
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.copy(node))).split())
