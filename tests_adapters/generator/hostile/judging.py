"""What is wrong with what was made of a file? Read by Python's own parser, and compared with the file."""

from __future__ import annotations

import ast
import builtins
import symtable
import tomllib
import warnings
from collections.abc import Iterator, Mapping

from adaptergen.naming import with_adapters
from adaptergen.pipeline import Integration
from adaptergen.rendering.regions import REGIONS, replace_region
from adaptergen.transforms.undo import undone
from tests_adapters.generator.reversing import edited_file, methods, run_with


BUILTINS = frozenset(dir(builtins))
REGION = "# adaptergen: begin {name}\n# adaptergen: end {name}\n"


def defects(made: Integration, texts: Mapping[str, str], regions: Mapping[str, str]) -> Iterator[str]:
    """
    Args:
        texts: path → text of each file of the model.
        regions: name → body of each region of the files that people own.
    """
    for path, text in texts.items():
        if objection := _objection(path, text):
            yield f"{path}: {objection}"
            return
    yield from _not_reversible(made)
    yield from _lost_hooks(made)
    yield from _shared_lines(made)
    yield from _wrong_in_class(made)
    yield from _wrong_names(made, texts)
    yield from _wrong_regions(regions)


def _objection(path: str, text: str) -> str:
    try:
        text.encode()
        if path.endswith(".toml"):
            tomllib.loads(text)
        elif path.endswith(".py"):
            with warnings.catch_warnings(action="ignore"):
                ast.parse(text)
    except (ValueError, SyntaxError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _not_reversible(made: Integration) -> Iterator[str]:
    """Edits taken away give upstream's text back: in the whole file, and in each method that was emitted."""
    edited = edited_file(made)
    if undone(edited, 1, made.borrowed.edits) != made.source.lines:
        yield "taking the edits away does not give the file back"
    if objection := _objection("edited.py", "\n".join(edited)):
        yield f"the file with the edits in it: {objection}"
        return
    theirs, ours = methods(made.source.text), methods(made.borrowed.code)
    originals = {with_adapters(cls): cls for cls in made.plan.copied_classes}
    if {cls for cls, _ in ours} != set(originals):
        yield "not the classes of the plan are emitted"
        return
    for (cls, method), (_, lines) in ours.items():
        start, expected = theirs[originals[cls], method]
        edits = [edit for edit in made.borrowed.edits if (edit.cls, edit.method) == (originals[cls], method)]
        if undone(lines, start, edits) != expected:
            yield f"taking the edits away from {cls}.{method} does not give upstream's method back"


def _lost_hooks(made: Integration) -> Iterator[str]:
    """Each residual of the plan is one call, or the second branch of one, in a place where it was not before."""
    calls = "\n".join(line for edit in made.borrowed.edits for line in edit.after)
    residuals = calls.count("adapter_layer_forward(") + calls.count("beside=(")
    if residuals != len(made.plan.residuals):
        yield f"{len(made.plan.residuals)} residuals are planned, and {residuals} are called"
    prefixes = sum(calls.count(f"self.prefix_tuning{called}(") for called in ("", ".flat", ".unmasked", ".around"))
    if prefixes != len(made.plan.prefixes):
        yield f"{len(made.plan.prefixes)} prefixes are planned, and {prefixes} are called"


def _shared_lines(made: Integration) -> Iterator[str]:
    """A prefix must not stand above a line on which something else may come first."""
    for node in ast.walk(ast.parse(made.borrowed.code)):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            for call, one, other in zip(block, block[1:], block[2:], strict=False) if isinstance(block, list) else ():
                said = ast.unparse(call)
                joins = "self.prefix_tuning" in said and "self.prefix_tuning.around(" not in said
                if joins and one.end_lineno == other.lineno:
                    yield f"a prefix comes before all of `{ast.unparse(one)}; {ast.unparse(other)}`"


def _wrong_in_class(made: Integration) -> Iterator[str]:
    """What means something else in another class: a bare `super()`, a private name, another `self`."""
    for cls in ast.parse(made.borrowed.code).body:
        for method in cls.body if isinstance(cls, ast.ClassDef) else ():
            at = f"{cls.name}.{method.name}"  # type: ignore[attr-defined]
            for node in ast.walk(method):
                match node:
                    case ast.Call(func=ast.Name(id="super"), args=[]):
                        yield f"{at} calls a bare super()"
                    case ast.Attribute(attr=name) | ast.Name(id=name) if name.startswith("__") and not name.endswith(
                        "__"
                    ):
                        yield f"{at} uses the private name {name}"
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and _self_is_missing(method):
                yield f"{at} has no self"
    yield from _bound_otherwise(made)


def _self_is_missing(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """What is called in it is called on `self`, which must be its first parameter, and nothing else later on."""
    first = [*method.args.posonlyargs, *method.args.args][:1]
    stored = {
        node.id for node in ast.walk(method) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    return [each.arg for each in first] != ["self"] or "self" in stored


def _bound_otherwise(made: Integration) -> Iterator[str]:
    """What was borrowed must be what the class has when the file is run: the last to be bound, whatever happens."""
    tree = ast.parse(made.source.text)
    for cls, method in {(edit.cls, edit.method) for edit in made.borrowed.edits}:
        found = [node for node in run_with(tree.body) if _binds(node, cls)]
        if len(found) > 1 and (found[-1] not in tree.body or not isinstance(found[-1], ast.ClassDef)):
            yield f"{cls} may be another class than that which was read"
        last = next(node for node in reversed(found) if isinstance(node, ast.ClassDef))
        own = [node for node in run_with(last.body) if _binds(node, method)]
        if not own or not isinstance(own[-1], ast.FunctionDef | ast.AsyncFunctionDef) or own[-1] not in last.body:
            yield f"{cls}.{method} may be another method than that which was read"


def _binds(node: ast.stmt, name: str) -> bool:
    match node:
        case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound) | ast.ClassDef(name=bound):
            return bound == name
        case ast.Assign(targets=targets):
            return any(
                isinstance(each, ast.Name) and each.id == name for target in targets for each in ast.walk(target)
            )
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((each.asname or each.name.partition(".")[0]) == name for each in names)
        case ast.Delete(targets=targets):
            return any(isinstance(each, ast.Name) and each.id == name for each in targets)
    return False


def _wrong_names(made: Integration, texts: Mapping[str, str]) -> Iterator[str]:
    """Each name means what it meant: nothing is used without being bound, and nothing imported that upstream lacks."""
    try:
        whole = symtable.symtable(made.source.text, made.source.path, "exec")
    except SyntaxError:  # a `return` outside of functions: nothing can be said of a file that never runs
        return
    upstream, unbound = _bound(whole), _globals(whole)
    for path, text in texts.items():
        if not path.endswith(".py"):
            continue
        try:
            table = symtable.symtable(text, path, "exec")
        except SyntaxError as error:
            yield f"{path}: {error}"
            continue
        bound = _bound(table)
        for name in sorted(_globals(table) - bound):
            if name in upstream:
                yield f"{path} uses {name}, which is upstream's, and does not import it"
            elif name not in BUILTINS | unbound:
                yield f"{path} uses {name}, which is nowhere"
        for name in sorted(_imported(text, made.source.name) - upstream):
            if "import *" not in made.source.text and name not in unbound:
                yield f"{path} imports {name}, which upstream does not have"


def _bound(table: symtable.SymbolTable) -> set[str]:
    return {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}


def _globals(table: symtable.SymbolTable) -> set[str]:
    """Names that are looked up in the module, anywhere below."""
    own = {each.get_name() for each in table.get_symbols() if each.is_referenced() and each.is_global()}
    return own.union(*map(_globals, table.get_children()))


def _imported(text: str, module: str) -> set[str]:
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in nodes if node.module == module for alias in node.names}


def _wrong_regions(regions: Mapping[str, str]) -> Iterator[str]:
    """A region can be replaced again, and ends where it ended."""
    for region in (each for each in REGIONS if each.name in regions):
        text = REGION.format(name=region.name)
        once = replace_region(text, region, regions[region.name], region.path)
        try:
            again = replace_region(once, region, regions[region.name], region.path)
        except Exception as error:
            yield f"region {region.name} cannot be replaced again: {error}"
            continue
        if again != once:
            yield f"region {region.name} is another one when it is replaced again"
