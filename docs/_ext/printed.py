"""Reference pages printed from the code, so that they cannot differ from it.

    ```{printed} commands
    ```

stands for every command with its options; `settings`, `columns`, `measures` and `states` are
the programme file, the tables, the figures and the lifecycles. `PARTS` maps each word to the
function that returns its Markdown.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from pydantic import BaseModel
from sphinx.application import Sphinx

import commonwatt
from commonwatt.catalogue.collect import collect_catalogue
from commonwatt.catalogue.glossary import TERMS
from commonwatt.catalogue.measures import Measure
from commonwatt.catalogue.tables import TableColumn, TableSchema
from commonwatt.cli import root
from commonwatt.clinic.domain.registry.preconditions import PRECONDITIONS
from commonwatt.core.licences import load_package_licence_table
from commonwatt.governance.lifecycle import Lifecycle, lifecycle_diagram_mermaid
from commonwatt.operate.domain.settings import ControllerSettings as ControlSettings
from commonwatt.operate.io.care.settings import CareSettings
from commonwatt.study.programme.annotated import annotated_programme_template
from commonwatt.study.programme.schema import ProgrammeFile
from commonwatt.web.parameters import PageParameter
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ACTION_NAMES, ACTION_ROLES, ROLE_NAMES
from commonwatt.web.tasks.kinds import KINDS

SETTINGS: dict[str, type[BaseModel]] = {
    "The programme file": ProgrammeFile,
    "The controller of a cluster: `control.toml`": ControlSettings,
    "Care of a cluster: `care.toml`": CareSettings,
}
OPTIONAL = frozenset({"numba", "ray", "torch", "psycopg", "weasyprint"})


def commands() -> str:
    """Return every leaf command with its example and options."""
    return "\n".join(_command(path, command) for path, command in leaves(root, ("commonwatt",)))


def leaves(
    group: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each leaf command of a tree with its words."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        subcommand = group.get_command(context, name)
        if subcommand is not None:
            yield from leaves(subcommand, (*path, name))


def _command(path: tuple[str, ...], command: click.Command) -> str:
    lines = [f"## `{' '.join(path)}`", "", command.help or "", ""]
    example = getattr(command, "example", "")
    if example:
        lines += ["```console", *(f"$ {line}" for line in example.splitlines()), "```", ""]
    rows = [row for parameter in command.params if (row := _parameter(parameter))]
    return "\n".join([*lines, *_table(("argument or option", "meaning"), rows), ""])


def _parameter(parameter: click.Parameter) -> tuple[str, str] | None:
    if isinstance(parameter, click.Option):
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
        kind = "" if parameter.is_flag else f" {_kind(parameter)}"
        return names + kind, (parameter.help or "") + _default(parameter)
    return f"`{parameter.make_metavar(click.Context(root))}`", ""


def _kind(parameter: click.Option) -> str:
    if isinstance(parameter.type, click.Choice):
        return "one of " + ", ".join(f"`{choice}`" for choice in parameter.type.choices)
    return f"({parameter.type.name})"


def _default(parameter: click.Option) -> str:
    value = parameter.default
    if callable(value) or parameter.is_flag or value in (None, "", ()) or "UNSET" in repr(value):
        return ""
    return f" Default: `{value}`."


def settings() -> str:
    """Return every table and key of every file of settings."""
    lines: list[str] = []
    for title, model in SETTINGS.items():
        lines += [f"## {title}", "", *_settings(model, "", set())]
    return "\n".join(lines)


def template() -> str:
    """Return a programme that holds every key, each with meaning, unit and example."""
    return f"```toml\n{annotated_programme_template()}```\n"


def _settings(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    seen.add(model)
    if path:
        yield f"### `{path}`"
    yield ""
    yield (model.__doc__ or "").split("\n\n")[0]
    yield ""
    rows = [
        (
            f"`{field.alias or name}`",
            _type(field.annotation),
            "required"
            if field.is_required()
            else f"`{field.get_default(call_default_factory=True)!r}`",
            field.description or "",
        )
        for name, field in model.model_fields.items()
    ]
    yield from _table(("key", "kind", "default", "meaning"), rows)
    yield ""
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            if inner not in seen:
                yield from _settings(inner, f"{path}.{field.alias or name}".strip("."), seen)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _type(annotation: Any) -> str:
    inner = list(_models(annotation))
    if inner:
        return "table"
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts and type(None) in get_args(annotation):
        return " or ".join(_type(part) for part in parts)
    if getattr(annotation, "__metadata__", None):
        return _type(parts[0])
    return f"`{getattr(annotation, '__name__', str(annotation)).lower()}`"


def columns() -> str:
    """Return every table that the program writes, with the unit of each column."""
    parts: list[str] = []
    for table in sorted(tables(), key=lambda table: table.name):
        rows = [(f"`{c.name}`", _measure_link(c), c.kind, c.unit, c.meaning) for c in table.columns]
        header = ("column", "measure", "kind", "unit", "meaning")
        parts += [f"## `{table.name}`", "", table.meaning, "", *_table(header, rows), ""]
    return "\n".join(parts)


def _measure_link(column: TableColumn) -> str:
    return f"[{column.measure.label}](measures.md#{_anchor(column.measure.id)})"


def _anchor(measure: str) -> str:
    return f"measure-{measure.replace('_', '-')}"


def measures() -> str:
    """Return every figure of the catalogue: what it is called, counted in, and how it follows."""
    return "\n".join(
        line
        for measure in sorted(collect_catalogue().measures.values(), key=lambda measure: measure.id)
        for line in _measure(measure)
    )


def _measure(measure: Measure) -> Iterator[str]:
    chinese = measure.label.translate("zh-Hant")
    shown = measure.form.unit if measure.form.unit != measure.unit else ""
    yield f"({_anchor(measure.id)})="
    yield f"## `{measure.id}`"
    yield ""
    yield f"{measure.label} · {chinese}"
    yield ""
    yield f"{measure.meaning}."
    yield ""
    rows = [("stored in", measure.unit), ("shown in", shown), ("formula", measure.formula)]
    yield from _table(("", ""), [(name, f"`{text}`") for name, text in rows if text])
    yield ""


def tables() -> list[TableSchema]:
    """Return every declared table once."""
    schemas = {
        (schema.name, schema.columns): schema for schema in collect_catalogue().tables.values()
    }
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, TableSchema):
                schemas.setdefault((value.name, value.columns), value)
    return list(schemas.values())


def states() -> str:
    """Return every lifecycle: its states and the moves between them."""
    parts: list[str] = []
    header = ("from", "to", "step", "who may", "what must be true first")
    for lifecycle in lifecycles():
        kind = lifecycle.states
        rows = [
            (
                f"`{row.origin}`" if row.origin else "–", f"`{row.to}`", f"`{row.step}`",
                ", ".join(f"`{role}`" for role in sorted(row.who)),
                " ".join(str(need.sentence) for need in row.needs) or "–",
            )
            for row in lifecycle.moves
        ]  # fmt: skip
        final = ", ".join(
            f"`{state}`" for state in kind if lifecycle.is_final_lifecycle_state(state)
        )
        summary = (kind.__doc__ or "").split("\n\n")[0]
        parts += [f"## `{kind.__name__}`", "", summary, "", *_table(header, rows), ""]
        parts += [f"Nothing follows {final}.", ""] if final else []
        parts += ["```text", lifecycle_diagram_mermaid(lifecycle).rstrip(), "```", ""]
    return "\n".join(parts)


def lifecycles() -> list[Lifecycle[Any, Any]]:
    """Return every table of moves, by name of the enum of its states."""
    by_enum: dict[str, Lifecycle[Any, Any]] = {}
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, Lifecycle):
                by_enum[value.states.__name__] = value
    return [by_enum[name] for name in sorted(by_enum)]


def preconditions() -> str:
    """Return what must be true before a medical model advises, by the rule that refuses it."""
    rows = [(f"`{row.rule}`", str(row.sentence), str(row.wanted)) for row in PRECONDITIONS]
    return "\n".join(_table(("rule", "refuses, saying", "wanted"), rows))


def console() -> str:
    """Return every page of the console with its parameters, and who may do what."""
    header = ("parameter", "default", "meaning")
    parts: list[str] = ["## Pages", ""]
    for page in PAGES:
        parts += [f"### {page.title}: `/{page.name}`", "", f"Needs: {ACTION_NAMES[page.action]}."]
        parts += ["", *_table(header, _asked(page.parameters)), ""]
    parts += ["## Runs that can be started", ""]
    for kind in KINDS.values():
        parts += [f"### {kind.title}: `/works/{kind.name}`", ""]
        parts += [*_table(header, _asked(kind.parameters)), ""]
    marks = [
        (action_name, *("●" if role in ACTION_ROLES[action] else "" for role in ROLE_NAMES))
        for action, action_name in ACTION_NAMES.items()
    ]
    return "\n".join(
        [*parts, "## Who may do what", "", *_table(("action", *ROLE_NAMES.values()), marks), ""]
    )


def _asked(parameters: tuple[PageParameter, ...]) -> list[tuple[str, str, str]]:
    return [
        (
            f"`{parameter.name}`",
            f"`{parameter.default}`" if parameter.default else "–",
            str(parameter.meaning),
        )
        for parameter in parameters
    ]


def modules() -> Iterator[ModuleType]:
    """Yield every module of the program whose optional parts are there."""
    for info in pkgutil.walk_packages(commonwatt.__path__, "commonwatt."):
        if info.name.endswith("__main__") or info.name.startswith("commonwatt.data"):
            continue
        try:
            yield sys.modules.get(info.name) or importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in OPTIONAL:
                raise


def _table(header: tuple[str, ...], rows: list[Any]) -> list[str]:
    if not rows:
        return []
    made = [header, tuple("---" for _ in header), *rows]
    return [
        "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in row) + " |"
        for row in made
    ]


def rooms() -> str:
    """Return every room with what it is for, its use cases, and who calls each."""
    package = Path(commonwatt.__file__).parent
    callers = _callers(package)
    parts: list[str] = []
    for room in sorted(p.parent for p in package.glob("*/__init__.py")):
        parts += [f"## `{room.name}`", "", _first_paragraph(room / "__init__.py"), ""]
        rows = [
            (f"`{module}.{name}`", summary, ", ".join(callers.get(f"{module}.{name}", ())) or "–")
            for path in _usecase_files(room)
            for module in [".".join(path.relative_to(package).with_suffix("").parts)]
            for name, summary in _public_functions(path)
        ]
        parts += [*_table(("use case", "answers", "called by"), rows), ""]
    return "\n".join(parts)


def _usecase_files(room: Path) -> list[Path]:
    files = [*(room / "usecases").rglob("*.py"), room / "usecases.py"]
    return sorted(path for path in files if path.is_file() and path.name != "__init__.py")


def _first_paragraph(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def _public_functions(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            summary = (ast.get_docstring(node) or "").split("\n\n")[0]
            yield node.name, " ".join(summary.split())


def _callers(package: Path) -> dict[str, list[str]]:
    """Return the modules that name each function of a use-case module, by import or by module."""
    callers_of: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] == "data":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        caller = "`" + ".".join(path.relative_to(package).with_suffix("").parts) + "`"
        modules: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("commonwatt."):
                module = str(node.module).removeprefix("commonwatt.")
                for alias in node.names:
                    callers_of.setdefault(f"{module}.{alias.name}", set()).add(caller)
                    modules[alias.asname or alias.name] = f"{module}.{alias.name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id)
                if module is not None:
                    callers_of.setdefault(f"{module}.{node.attr}", set()).add(caller)
    return {name: sorted(callers) for name, callers in callers_of.items()}


def glossary() -> str:
    """Return the terms of the field, one word each in both languages."""
    rows = [(term.english, term.chinese, term.meaning) for term in TERMS]
    return "\n".join(_table(("English", "Traditional Chinese", "meaning"), sorted(rows)))


def python_names() -> str:
    """Return what each package offers to programs: the names of its `__all__`, with their calls."""
    parts: list[str] = []
    for info in pkgutil.walk_packages(commonwatt.__path__, "commonwatt."):
        # A module that nobody exports from is ours to change; so is what a face or a test calls.
        if not info.ispkg or info.name.startswith(("commonwatt.cli", "commonwatt.web")):
            continue
        package = importlib.import_module(info.name)
        names = [name for name in getattr(package, "__all__", ()) if hasattr(package, name)]
        if names:
            rows = [_python_row(name, getattr(package, name)) for name in sorted(names)]
            parts += [f"## `{info.name}`", "", *_table(("name", "what it is"), rows), ""]
    return "\n".join(parts)


def _python_row(name: str, value: object) -> tuple[str, str]:
    """Return a call with its parameters and the first line of what it says of itself."""
    call = name
    if inspect.isfunction(value) or hasattr(value, "py_func"):
        call += f"({', '.join(_parameter_words(value))})"
    text = (inspect.getdoc(value) or "").split("\n")[0] if callable(value) else ""
    return f"`{call}`", text.replace("|", "\\|") or type(value).__name__


def _parameter_words(function: Any) -> Iterator[str]:
    starred = False
    for name, parameter in inspect.signature(
        getattr(function, "py_func", function)
    ).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield name if parameter.default is parameter.empty else f"{name}=…"


def licences() -> str:
    """Return the table of licences: each shipped file, where it comes from, and its terms."""
    table = load_package_licence_table()
    rows = [
        (", ".join(f"`{path}`" for path in row.paths), row.licence, row.source)
        for row in table.rows
    ]
    return "\n".join(_table(("file below `commonwatt/`", "licence", "where from"), rows))


PARTS: dict[str, Callable[[], str]] = {
    "rooms": rooms,
    "glossary": glossary,
    "commands": commands,
    "settings": settings,
    "template": template,
    "columns": columns,
    "measures": measures,
    "states": states,
    "preconditions": preconditions,
    "console": console,
    "python": python_names,
    "licences": licences,
}


class Printed(Directive):
    """Print one part of the reference where this stands."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the parsed Markdown."""
        text = PARTS[self.arguments[0]]()
        box = nodes.section()
        box.document = self.state.document
        lines = StringList(text.splitlines(), source=f"printed {self.arguments[0]}")
        self.state.nested_parse(lines, 0, box, match_titles=True)
        return box.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("printed", Printed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
