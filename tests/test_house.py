"""The inner order of the packages: what a reader may rely on without looking."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from baselines import METHODS
from eval.running.roles import roles
from tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tasks", "models", "baselines", "eval", "slurm", "control_bench")
#: most positional parameters of a function, self and cls aside
POSITIONAL = 6


def files() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def test_no_function_has_more_than_six_positional_parameters() -> None:
    def positional(node: ast.FunctionDef) -> list[str]:
        every = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        # a function of autograd gets its context first, as a method gets itself
        return [name for name in every if name not in ("self", "cls", "ctx")]

    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, node in functions()
        if len(positional(node)) > POSITIONAL
    ]
    assert not long


def test_no_arguments_are_gathered_to_be_passed_on() -> None:
    """``rest = a, b, c; f(*rest)`` hides what a call says."""
    wrong = []
    for path, node in functions():
        gathered = {
            one.targets[0].id
            for one in ast.walk(node)
            if isinstance(one, ast.Assign)
            and isinstance(one.targets[0], ast.Name)
            and isinstance(one.value, ast.Tuple)
            and len(one.value.elts) > 2
        }
        for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
            spread = [one.value for one in call.args if isinstance(one, ast.Starred)]
            wrong += [
                f"{path.relative_to(ROOT)}: {one.id} in {node.name}"
                for one in spread
                if isinstance(one, ast.Name) and one.id in gathered
            ]
    assert not wrong


#: file -> names of methods, networks and tasks that it holds, and why
NAMED: dict[str, tuple[set[str], str]] = {
    "tasks/__init__.py": (
        {"syntax_spans", "length", "semantic_content", "parts_of_speech", "syntax_tree",
         "infilling"},
        "the registry of tasks, and the compositions of the paper's Table 4",
    ),
    "models/diffusion/classifiers/kinds.py": (
        {"syntax_spans", "parts_of_speech", "semantic_content"},
        "which task's texts each kind of classifier is trained on",
    ),
    "models/diffusion_lm/config.py": (
        {"semantic_content", "parts_of_speech", "syntax_tree", "syntax_spans", "length"},
        "the released code's and the paper's constants of each task",
    ),
    "baselines/fudge/card.py": (
        {"semantic_content", "parts_of_speech", "syntax_tree", "syntax_spans", "length"},
        "lambda of each task in the paper's Table 6",
    ),
    "tasks/base.py": ({"infilling"}, "the comparison of methods that fill in, no task"),
    "models/base.py": ({"infilling"}, "the comparison of methods that fill in, no task"),
    "eval/running/config.py": ({"syntax_spans"}, "the default of task="),
    "eval/running/presets.py": ({"infilling"}, "what preset pretrained is for"),
    "eval/studies/sweep.py": ({"fudge"}, "the default of method="),
    "eval/studies/trajectory.py": ({"diffusion_lm"}, "the paper's Figure 1 is of Diffusion-LM"),
    "eval/studies/speedups.py": ({"semantic_content"}, "times PPLM's attribute head"),
}  # fmt: skip


def quoted(path: Path) -> set[str]:
    """Every string constant of a file that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def home(name: str) -> str:
    """The folder or file that owns a method, a role or a task."""
    if name in METHODS or name in METHODS.floors:
        module = METHODS.card(name).method.split(":")[0]
    elif name in TASKS:
        module = TASKS[name].split(":")[0]
    else:
        return ""
    return module.replace(".", "/").removesuffix("/method")


def test_no_file_names_another_ones_method_or_task() -> None:
    names = {*METHODS, *TASKS} - {"length"}  # a word of its own
    wrong: dict[str, set[str]] = {}
    for path in files():
        place = str(path.relative_to(ROOT))
        allowed = NAMED.get(place, (set(), ""))[0]
        held = {name for name in quoted(path) & names if not place.startswith(home(name))}
        if held - allowed:
            wrong[place] = held - allowed
    assert not wrong


def test_roles_are_named_where_they_are_brought_or_used() -> None:
    """Every role has a recipe that can be found, and a section of its own class."""
    sections: dict[str, type] = {}
    for role in roles().values():
        if role.section and role.Config is not None:
            assert sections.setdefault(role.section, role.Config) is role.Config
        if isinstance(role.recipe, str):
            module, function = role.recipe.split(":")
            assert f"def {function}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text(
                encoding="utf-8"
            )


def test_no_circles() -> None:
    """No file needs another that needs it, imports inside functions included."""
    import grimp

    graph = grimp.build_graph(*ROOMS, include_external_packages=False)
    # a package's own file stands for its names, and is read before whatever lies in it
    edges = {
        module: {
            other
            for other in graph.find_modules_directly_imported_by(module)
            if not other.startswith(f"{module}.") and not module.startswith(f"{other}.")
        }
        for module in graph.modules
    }
    state: dict[str, int] = {}
    circles: list[str] = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        state[module] = 1
        for other in sorted(edges[module]):
            if state.get(other) == 1:
                circles.append(" -> ".join([*path[path.index(other) :], other]))
            elif other not in state:
                visit(other, (*path, other))
        state[module] = 2

    for module in sorted(edges):
        if module not in state:
            visit(module, (module,))
    assert not circles
