"""Imports between the wings point one way, and importing the package is cheap."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skdidan

PACKAGE = Path(skdidan.__file__).parent

# A wing imports from the wings in its entry, from the ground and from itself. Modules beside the
# folders are the ground, but for the tables, which lie above everything they list.
WINGS = {
    "penalties": set(),
    "audio": set(),
    "shallow": set(),
    "neural": {"penalties"},
    "corpora": {"audio"},
    "pipeline": {"audio"},
    "plots": set(),
    "results": {"plots"},
    "selection": {"penalties", "pipeline", "results"},
    "persistence": {"neural"},
    "tables": {"penalties", "shallow", "neural"},
    "cli": {
        "audio",
        "corpora",
        "shallow",
        "neural",
        "pipeline",
        "selection",
        "results",
        "persistence",
        "tables",
    },
    "__main__": {"cli"},
}
# Of no wing of names to import.
_NO_FOLDER, _NO_NAMES = {"tables", "__main__"}, {"tables", "__main__", "cli"}
# Frameworks that a wing, or a module, can be used without.
FORBIDDEN = {
    "parameters": {"numpy", "scipy", "pandas", "sklearn", "torch", "skorch"},
    "reporting": {"numpy", "scipy", "pandas", "sklearn", "torch", "skorch"},
    "padding": {"sklearn", "torch", "skorch"},
    "lazy_rows": {"sklearn", "torch", "skorch"},
    "shards": {"sklearn", "torch", "skorch"},
    "criteria": {"torch", "skorch"},
    "penalties": {"sklearn", "skorch"},
    "neural/networks": {"sklearn", "skorch"},
    "neural/outputs": {"sklearn", "skorch"},
    "neural/transformers": {"sklearn", "skorch"},
    "neural/patches": {"sklearn", "skorch"},
    "neural/target_losses": {"sklearn", "skorch"},
    "neural/batches": {"sklearn", "skorch"},
    "shallow": {"torch", "skorch"},
    "pipeline": {"torch", "skorch"},
    "plots": {"torch", "skorch"},
    "results": {"torch", "skorch"},
    "stopwatch": {"numpy", "scipy", "pandas", "sklearn", "torch", "skorch"},
    "audio/files": {"sklearn", "torch", "skorch"},
    "audio/decoders": {"sklearn", "torch", "skorch"},
    "audio/recordings": {"torch", "skorch"},
    "audio/speech_models": {"sklearn", "skorch", "transformers"},
    "audio": {"skorch", "transformers"},
    "cli": {"torch", "skorch"},
}


def modules(root=PACKAGE):
    """Names of all modules: "domains", "audio/files"."""
    paths = sorted(root.rglob("*.py"))
    return [path.relative_to(root).with_suffix("").as_posix() for path in paths]


def imports_of(module, root=PACKAGE):
    """Full names of what a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((root / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import, in line {node.lineno}"
            # from skdidan import name: the name may be a module.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def wing_of(module):
    """Return the folder, or the name of a module beside the folders."""
    return module.partition("/")[0]


def climbs(module, root=PACKAGE):
    """Return what a module imports against the directions of the wings."""
    wing = wing_of(module)
    parts = [name.split(".") for name in imports_of(module, root)]
    used = {part[1] for part in parts if part[0] == "skdidan" and len(part) > 1}
    used &= {wing_of(other) for other in modules(root)} - {"__init__"}
    allowed = WINGS.get(wing, set()) | {wing}
    return {other for other in used if other in WINGS and other not in allowed}


def names_from_the_top(module, root=PACKAGE):
    """Return what a module imports from the package itself: only wings and modules may be."""
    own = {wing_of(other) for other in modules(root)}
    parts = [name.split(".") for name in imports_of(module, root)]
    return {part[1] for part in parts if part[0] == "skdidan" and len(part) > 1} - own


def private_imports(module, root=PACKAGE):
    names = {
        name for name in imports_of(module, root) if name.split(".")[0] in {"sklearn", "skorch"}
    }
    return {name for name in names if any(part.startswith("_") for part in name.split("."))}


def test_every_wing_has_its_directions():
    folders = {wing_of(module) for module in modules() if "/" in module}
    assert folders == WINGS.keys() - _NO_FOLDER


def test_imports_between_wings_point_one_way():
    assert {module: up for module in modules() if (up := climbs(module))} == {}


def test_no_wing_stands_in_a_circle():
    order = list(WINGS)
    assert all(order.index(other) < order.index(wing) for wing in WINGS for other in WINGS[wing])


def test_modules_of_a_wing_import_each_other_in_no_circle():
    graph = {
        module: {other for other in modules() if f"skdidan.{other}".replace("/", ".") in names}
        for module, names in ((module, imports_of(module)) for module in modules())
    }
    left = set(graph)
    while free := {module for module in left if not graph[module] & left - {module}}:
        left -= free
    assert left == set()


def test_frameworks_stay_out():
    for place, frameworks in FORBIDDEN.items():
        own = [module for module in modules() if module == place or module.startswith(f"{place}/")]
        roots = {name.split(".")[0] for module in own for name in imports_of(module)}
        assert own and not roots & frameworks, place


def test_no_module_imports_through_the_top_of_the_package():
    """It would hide the wing that a name comes from."""
    assert {module: names for module in modules() if (names := names_from_the_top(module))} == {}


def test_no_private_imports():
    assert {module: names for module in modules() if (names := private_imports(module))} == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("from skdidan.selection import compare", {"selection"}),
        ("import skdidan.selection.trials", {"selection"}),
        ("from skdidan import pipeline", {"pipeline"}),
    ],
)
def test_climbs_are_found_in_any_form(line, fault, tmp_path):
    for module in ("audio/bad", "selection/trials", "pipeline/steps"):
        (tmp_path / module).parent.mkdir(exist_ok=True)
        (tmp_path / f"{module}.py").write_text("")
    (tmp_path / "audio/bad.py").write_text(line)
    assert climbs("audio/bad", tmp_path) == fault


def test_names_from_the_top_are_found(tmp_path):
    (tmp_path / "bad.py").write_text("from skdidan import compare")
    assert names_from_the_top("bad", tmp_path) == {"compare"}


@pytest.mark.parametrize("line", ["import sklearn._loss", "from sklearn.utils import _mask"])
def test_private_imports_are_found_in_either_form(line, tmp_path):
    (tmp_path / "bad.py").write_text(line)
    assert private_imports("bad", tmp_path)


def test_relative_imports_are_refused(tmp_path):
    (tmp_path / "bad.py").write_text("from . import domains")
    with pytest.raises(AssertionError, match="bad has a relative import, in line 1"):
        imports_of("bad", tmp_path)


def printed_by(code):
    """Return what another process prints that runs the code."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_importing_loads_no_framework_and_changes_no_setting():
    code = (
        "import sys, warnings; before = list(warnings.filters); import skdidan; "
        "assert warnings.filters == before; "
        "from skdidan import audio, corpora, neural, penalties, pipeline, selection, shallow; "
        "from skdidan import plots, results; "
        "heavy = {'torch', 'sklearn', 'skorch', 'librosa', 'matplotlib', 'scipy', 'pandas'}; "
        "print(sorted((heavy | {'transformers', 'click'}) & set(sys.modules)))"
    )
    assert printed_by(code) == "[]"


def test_the_help_of_the_command_line_loads_no_framework():
    code = (
        "import sys, skdidan.cli.app; "
        "heavy = {'torch', 'sklearn', 'skorch', 'librosa', 'scipy', 'pandas', 'soundfile'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert printed_by(code) == "[]"


WRONG = """
train -s emodbb:{here} -t {here} -o x
train -s emodb:{here} -t {here} -o x
train -s {here}/none -t {here} -o x
train -s emodb:{here} -t {here}/none -o x
adapt {file} -s emodbb:{here} -t {here} -o x
adapt {file} -s emodb:{here} -t {here}/none -o x
predict {file} {here}/none
compare -c emodbb:{here} -c casia:{here}
"""


def test_wrong_paths_of_the_command_line_are_found_before_torch_is_loaded(tmp_path):
    (tmp_path / "file").touch()
    lines = WRONG.format(here=tmp_path, file=tmp_path / "file").strip().splitlines()
    code = (
        "import sys; from skdidan.cli.app import app\n"
        f"for line in {lines!r}:\n"
        "    try: app(line.split())\n"
        "    except SystemExit as end: assert end.code in (1, 2), (line, end)\n"
        "    assert not {'torch', 'skorch'} & set(sys.modules), line\n"
        "    print(line)"
    )
    assert printed_by(code).splitlines() == lines


def test_every_public_name_resolves_in_the_package_and_in_its_wing():
    folders = [skdidan, *(getattr(skdidan, wing) for wing in WINGS.keys() - _NO_NAMES)]
    for folder in folders:
        assert folder.__doc__
        assert len(folder.__all__) == len(set(folder.__all__)) > 1
        for name in folder.__all__:
            assert getattr(folder, name).__doc__, name


def test_the_reference_lists_all_public_names():
    page = (PACKAGE.parent / "docs" / "reference" / "api.rst").read_text(encoding="utf-8")
    listed = [name for name in re.findall(r"^   (\w+)$", page, flags=re.MULTILINE)]
    assert sorted(listed) == sorted(set(skdidan.__all__) - {*WINGS, "criteria", "domains"})


def texts():
    """Texts of the documentation: pages, README and docstrings."""
    root = PACKAGE.parent
    written = [root / "README.md", *root.glob("docs/*.rst"), *root.glob("docs/[ehrs]*/*.rst")]
    for path in written:
        yield path.read_text(encoding="utf-8")
    for module in modules():
        for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or ""


def test_documented_names_resolve_after_importing_the_package_alone():
    """Each part is public, and so loaded when it is first used; lines of imports do not count."""
    names = {
        name
        for text in texts()
        for line in text.splitlines()
        if not re.match(r"(>>> |\.\.\. )?(from|import) |.*pyobject|\.\. ", line.strip())
        for name in re.findall(r"(?<![\w./])skdidan((?:\.[A-Za-z_]\w*)+)", line)
    }
    assert ".corpora.CORPORA" in names and len(names) > 20
    for name in names:
        place = skdidan
        for part in name.split(".")[1:]:
            assert part in place.__all__, name
            place = getattr(place, part)
