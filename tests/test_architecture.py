"""Rules of the house that a reader cannot see at a glance: floors, size, lazy imports, help texts."""

import ast
import json
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nawf

ROOT = Path(nawf.__file__).parent
MODULES = {
    ".".join(("nawf", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
MOST_LINES = 420

# A room imports from floors below its own only.
FLOORS = [
    {"errors", "units", "settings", "files", "shipped", "strict_yaml", "progress", "level"},
    {"results", "phases"},
    {"quality", "rehearsal"},
    {"store", "engines"},
    {"thermo", "campaigns", "flows"},
    {"reports", "running"},
    {"cli"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = ("numpy", "scipy", "pymatgen", "torch", "jobflow", "maggma", "phonopy", "matplotlib", "spglib", "ase")


@cache
def tree(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported_names(node):
    """Full names that an import statement may bind or load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def imports(module):
    """All names imported anywhere in a module, inside functions and for types too."""
    return {name for node in ast.walk(tree(module)) for name in imported_names(node)}


def room(name):
    parts = name.split(".")
    return parts[1] if parts[0] == "nawf" and len(parts) > 1 else None


def test_there_is_something_to_check():
    assert len(MODULES) > 50
    assert imports("nawf.reports.figures") >= {"nawf.reports.hull", "nawf.reports.hull.hulls", "matplotlib.figure"}


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} - {None} <= set(FLOOR_OF)


def test_rooms_import_from_floors_below():
    wrong = []
    for module in MODULES:
        own = room(module)
        for name in imports(module):
            other = room(name)
            if own is None or other is None or other == own or name == "nawf.__version__":
                continue
            # The modules of the ground floor are rooms of one file; they may use each other.
            if FLOOR_OF[other] >= max(FLOOR_OF[own], 1):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {}
    for module in MODULES:
        top = [n for node in tree(module).body for n in imported_names(node)]
        graph[module] = {n for n in top if n in MODULES and n not in ("nawf", module)}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [
        ({"thermo"}, {"jobflow", "maggma", "atomate2", "nawf.store", "nawf.flows", "nawf.engines"}),
        ({"reports"}, {"jobflow", "maggma", "atomate2", "nawf.store", "nawf.flows", "nawf.engines"}),
        ({"results", "quality", "phases"}, {"jobflow", "maggma", "atomate2"}),
        (set(FLOOR_OF) - {"engines"}, {"torch", "chgnet"}),
    ],
)
def test_what_a_room_never_sees(rooms, forbidden):
    for module in MODULES:
        if room(module) in rooms:
            seen = {f for f in forbidden for n in imports(module) if n == f or n.startswith(f + ".")}
            assert not seen, f"{module} imports {seen}"


def test_the_command_imports_nothing_heavy():
    code = f"import sys, json, nawf.cli.main; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_files_are_short():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: n for module, n in lengths.items() if n > MOST_LINES} == {}


def swallows_everything(node):
    """Whether a handler of every exception does nothing but go on."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    is_broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
    return is_broad and all(isinstance(s, ast.Pass | ast.Continue) or _is_literal(s) for s in node.body)


def _is_literal(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def silences_everything(node):
    """Whether a call suppresses every exception, or ignores every warning."""
    if not isinstance(node, ast.Call):
        return False
    called, given = ast.unparse(node.func).rpartition(".")[2], [ast.unparse(a) for a in node.args]
    if called == "suppress":
        return bool({"Exception", "BaseException"} & set(given))
    return called in ("filterwarnings", "simplefilter") and given == ["'ignore'"] and not node.keywords


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("try: x()\nexcept Exception: pass", True),
        ("try: x()\nexcept: ...", True),
        ("try: x()\nexcept ValueError: pass", False),
        ("try: x()\nexcept Exception as e: tell(e)", False),
        ("with contextlib.suppress(Exception): x()", True),
        ("with contextlib.suppress(OSError): x()", False),
        ("warnings.filterwarnings('ignore')", True),
        ("warnings.filterwarnings('ignore', category=FutureWarning)", False),
    ],
)
def test_the_rules_on_silence_see_what_they_should(code, wrong):
    assert any(swallows_everything(n) or silences_everything(n) for n in ast.walk(ast.parse(code))) is wrong


def test_nothing_is_silenced_wholesale():
    wrong = [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if swallows_everything(node) or silences_everything(node)
    ]
    assert wrong == []


def commands(command=None, name="nawf"):
    if command is None:
        import typer.main

        from nawf.cli.main import app

        command = typer.main.get_command(app)
    yield name, command
    for key, sub in sorted(getattr(command, "commands", {}).items()):
        yield from commands(sub, f"{name} {key}")


def test_every_command_and_option_explains_itself():
    found = dict(commands())
    assert {"nawf run", "nawf plan", "nawf report voltage", "nawf query show", "nawf phases add"} <= set(found)
    silent = []
    for name, command in found.items():
        if not (command.help or "").strip():
            silent.append(name)
        silent += [
            f"{name} {parameter.opts[0]}"
            for parameter in command.params
            if not (getattr(parameter, "help", "") or "")
        ]
    assert silent == []


def test_the_same_option_means_the_same_everywhere():
    """Every listing command takes the same output options, and --store has one explanation."""
    helps = {}
    for name, command in commands():
        for parameter in command.params:
            for option in parameter.opts:
                if option in ("--format", "--out", "--store", "--structures"):
                    helps.setdefault(option, {}).setdefault(parameter.help, []).append(name)
    assert set(helps) == {"--format", "--out", "--store", "--structures"}
    for option, texts in helps.items():
        assert len(texts) == 1, f"{option}: {texts}"
