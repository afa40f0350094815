"""The rules of the house, read from the source with ast: who may import whom, who may write files, how long they are.

Each rule is a function from source text to findings, and each is shown a planted violation, so that a rule
that finds nothing any more fails too.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("core", "data", "training", "review", "serving", "ui")
SHIPPED = ROOT / "imgtag/serving/shipped"  # programs that leave with an exported model: they never run in the app
SOURCES = sorted(
    [
        *(p for p in (ROOT / "imgtag").rglob("*.py") if p.parent != SHIPPED),
        *(ROOT / "pages").glob("*.py"),
        ROOT / "app.py",
    ]
)
MOST_LINES = 400


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rank(module: str) -> int:
    """How far down in the house a file or module stands; cli, pages and the launcher stand below everything."""
    parts = module.removesuffix(".py").replace("/", ".").split(".")
    if parts[0] != "imgtag":
        return len(LAYERS) + 1
    if len(parts) < 2 or parts[1] in ("__init__", "__version__"):
        return -1  # only the version
    return LAYERS.index(parts[1]) if parts[1] in LAYERS else len(LAYERS)


def imports(source: str, *, everywhere: bool = True) -> Iterator[tuple[int, str]]:
    """(line, module) of all imports; with everywhere=False only those that run when the module is imported."""
    tree = ast.parse(source)
    nodes = ast.walk(tree) if everywhere else _at_import(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full, so that this test can read them"
            module = node.module or ""
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_import(child)


def uses(source: str, packages: Iterable[str]) -> list[str]:
    """Lines of a source that import one of the packages, wherever in the file."""
    wanted = set(packages)
    return sorted({f"line {line}: {module}" for line, module in imports(source) if module.split(".")[0] in wanted})


# ----------------------------------------------------------------------------- who imports whom


def upward_imports(name: str, source: str) -> list[str]:
    found = []
    for line, module in imports(source):
        if module.split(".")[0] in ("imgtag", "pages", "app") and rank(module) > rank(name):
            found.append(f"{name}:{line} imports {module}")
    return found


def test_a_folder_imports_only_from_folders_above_it() -> None:
    found = [finding for path in SOURCES for finding in upward_imports(name_of(path), path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("imgtag/core/names.py", "from imgtag.data.dataset import look"),
        ("imgtag/data/edits.py", "import imgtag.training.runs"),
        ("imgtag/training/runs.py", "def f():\n    from imgtag.review import metrics"),
        ("imgtag/review/metrics.py", "from imgtag import serving"),
        ("imgtag/serving/api.py", "from imgtag.ui import text"),
        ("imgtag/ui/grid.py", "import pages.home"),
        ("imgtag/ui/grid.py", "from imgtag.cli import main"),
    ],
)
def test_a_planted_upward_import_is_found(name: str, source: str) -> None:
    assert upward_imports(name, source)
    assert not upward_imports("pages/home.py", source.replace("pages.home", "imgtag.ui.grid"))


def test_every_folder_of_the_package_has_its_place_in_the_order() -> None:
    folders = {p.name for p in (ROOT / "imgtag").iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert folders == set(LAYERS)


# ----------------------------------------------------------------------------- streamlit, torch, PIL


def is_screen(name: str) -> bool:
    return name.startswith(("imgtag/ui/", "pages/")) or name == "app.py"


def test_streamlit_is_used_by_the_screens_only() -> None:
    found = {name_of(p): uses(p.read_text("utf-8"), ["streamlit"]) for p in SOURCES if not is_screen(name_of(p))}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert uses((ROOT / "imgtag/ui/main.py").read_text("utf-8"), ["streamlit"]), "the rule must see what it forbids"


TORCH = ("torch", "torchvision", "timm", "pytorch_lightning", "lightning")


def needs_no_torch(name: str) -> bool:
    return name.startswith(("imgtag/ui/", "pages/")) or name in ("imgtag/training/jobs.py", "app.py")


def test_no_screen_imports_torch_not_even_inside_a_function() -> None:
    found = {name_of(p): uses(p.read_text("utf-8"), TORCH) for p in SOURCES if needs_no_torch(name_of(p))}
    assert len(found) > 15
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert uses("def f():\n    from torch.nn import Module", TORCH)
    assert uses("import timm.models", TORCH)
    assert not uses("import torchlight", TORCH)


# Classes of Lightning: these modules may import torch at their top, and are imported by others inside functions only.
MADE_OF_TORCH = {p for p in SOURCES if p.parent == ROOT / "imgtag/training/tuning" and p.name != "__init__.py"}


def loads_at_import(source: str, packages: Iterable[str]) -> list[str]:
    """What is imported of some packages or modules as soon as the source is."""
    found = [module for _, module in imports(source, everywhere=False)]
    return [module for module in found if any(f"{module}.".startswith(f"{package}.") for package in packages)]


def test_torch_is_imported_inside_functions_only() -> None:
    """A module-level import would slow down everything that imports the module, the pages first."""
    forbidden = [*TORCH, *(name_of(p).removesuffix(".py").replace("/", ".") for p in MADE_OF_TORCH)]
    found = {name_of(p): loads_at_import(p.read_text("utf-8"), forbidden) for p in SOURCES if p not in MADE_OF_TORCH}
    assert {name: modules for name, modules in found.items() if modules} == {}
    assert loads_at_import("class A:\n    import torch", forbidden)
    assert loads_at_import("try:\n    import torch\nexcept ImportError:\n    pass", forbidden)
    assert loads_at_import("from imgtag.training.tuning.trainer import learn_head", forbidden)
    assert loads_at_import("from imgtag.training.tuning import trainer", forbidden)
    assert not loads_at_import("def f():\n    import torch", forbidden)
    assert not loads_at_import("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", forbidden)
    assert all(loads_at_import(p.read_text("utf-8"), ["torch"]) for p in MADE_OF_TORCH), "the exception is needed"


def loaded_after(modules: Iterable[str]) -> set[str]:
    """The heavy packages that are in memory after importing some modules in a fresh process."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *modules], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split()) & {*TORCH, "openvino", "scipy", "sklearn"}


def test_opening_a_page_loads_nothing_heavy_through_any_detour() -> None:
    """Everything the entry script and the pages import; the scripts themselves need a browser session."""
    screens = [p for p in SOURCES if needs_no_torch(name_of(p))]
    wanted = {m for p in screens for _, m in imports(p.read_text("utf-8")) if m.startswith("imgtag.")}
    modules = {m for m in wanted if (ROOT / (m.replace(".", "/") + ".py")).is_file()} - {"imgtag.ui.main"}
    assert {"imgtag.ui.navigation", "imgtag.training.jobs", "imgtag.serving.predictor"} <= modules
    assert loaded_after(sorted(modules)) == set()


def test_a_trainer_begins_without_what_it_may_never_need() -> None:
    """Each of these takes a tenth of a second to import or more; a quick training takes three."""
    assert loaded_after(["imgtag.training.worker", "imgtag.training.engine"]) == set()


def test_a_planted_import_of_torch_would_be_seen() -> None:
    assert "torch" in loaded_after(["torch"])


PICTURES_MAY = {"imgtag/data/images.py"}


def test_pictures_are_decoded_in_one_place() -> None:
    found = {name_of(p) for p in SOURCES if uses(p.read_text("utf-8"), ["PIL", "pillow_heif", "cv2", "imageio"])}
    assert "imgtag/data/images.py" in found, "the rule must see what it allows"
    assert found <= PICTURES_MAY
    assert uses("from PIL import Image", ["PIL"])


# ----------------------------------------------------------------------------- who writes files

WRITERS = {"write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch", "rmtree", "copytree", "copy2", "copyfile",
           "makedirs", "removedirs", "symlink_to", "hardlink_to", "chmod", "to_csv", "to_json", "to_parquet",
           "to_excel", "savez", "save", "save_file", "extractall", "NamedTemporaryFile", "mkstemp", "mkdtemp",
           "TemporaryDirectory"}  # fmt: skip
OS_WRITERS = {"replace", "rename", "remove", "renames", "link", "symlink", "truncate", "ftruncate", "write"}
WRITERS_OF_MODULES = {"os": OS_WRITERS, "shutil": {"move", "copy", "copyfileobj"}, "openvino": {"save_model"}}
PATH_METHODS = {"rename"}  # Path.rename; str and pandas have no use for it here

ALLOWED = {
    # OpenVINO writes its own two files; they go to a folder aside and are then moved into place whole.
    ("imgtag/training/extractor.py", "openvino.save_model"),
    ("imgtag/training/extractor.py", "os.replace"),
    # Pictures are encoded into memory, never to a path.
    ("imgtag/data/images.py", ".save"),
    # A checkpoint is put together in memory before storage writes it.
    ("imgtag/training/tuning/reporting.py", "torch.save into memory"),
    # An address, opened to be read.
    ("imgtag/training/weights.py", "opener.open"),
    # A member of a zip, opened to be read.
    ("imgtag/data/sources.py", "archive.open"),
    ("imgtag/serving/bundles.py", "archive.open"),
    # Exports are put together in a folder aside, which storage makes and moves: OpenVINO's two files, and bytes.
    ("imgtag/serving/formats.py", "openvino.save_model"),
    ("imgtag/serving/formats.py", "torch.export.save"),
}


def writes(source: str) -> list[str]:
    """Calls that write, move or delete files, as “line N: call”."""
    found = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, method = called.rpartition(".")
        if called == "torch.save" and _is_in_memory(node, tree):
            found.append(f"line {node.lineno}: torch.save into memory")
        elif method == "open" or called == "open":
            if _opens_to_write(node, method_of_path=bool(owner) and owner not in ("os", "io", "codecs", "Image")):
                found.append(f"line {node.lineno}: {called}")
        elif owner == "storage":
            continue
        elif method == called == "save":
            continue  # safetensors' function of that name returns bytes
        elif method in WRITERS | PATH_METHODS or method in WRITERS_OF_MODULES.get(owner, ()):
            found.append(f"line {node.lineno}: {called}")
    return found


def _opens_to_write(call: ast.Call, *, method_of_path: bool) -> bool:
    """Whether an open() has a mode that writes, or one that cannot be read off."""
    place = 0 if method_of_path else 1
    mode: ast.expr | None = call.args[place] if len(call.args) > place else None
    mode = next((k.value for k in call.keywords if k.arg in ("mode", "flags")), mode)
    if mode is None:
        return False
    if isinstance(mode, ast.Constant) and isinstance(mode.value, str):
        return bool(set(mode.value) & set("wax+"))
    return "devnull" not in ast.unparse(call) and "O_RDONLY" not in ast.unparse(mode)


def _is_in_memory(save: ast.Call, tree: ast.AST) -> bool:
    """Whether the second argument is a name that is io.BytesIO() wherever the file assigns it."""
    if len(save.args) < 2 or not isinstance(save.args[1], ast.Name):
        return False
    target = save.args[1].id
    values = [ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)
              and any(isinstance(t, ast.Name) and t.id == target for t in node.targets)]  # fmt: skip
    return bool(values) and set(values) == {"io.BytesIO()"}


def allowed(name: str, finding: str) -> bool:
    return any(name == file and finding.endswith(call) for file, call in ALLOWED)


def test_files_are_written_in_one_place_only() -> None:
    found = [
        f"{name_of(path)} {finding}"
        for path in SOURCES
        if name_of(path) != "imgtag/core/storage.py"
        for finding in writes(path.read_text("utf-8"))
        if not allowed(name_of(path), finding)
    ]
    assert found == []


def test_the_rule_sees_the_one_place_that_writes() -> None:
    found = " ".join(writes((ROOT / "imgtag/core/storage.py").read_text("utf-8")))
    for call in ("open", "os.replace", "unlink", "mkdir", "shutil.rmtree", "shutil.copytree", "rmdir"):
        assert call in found, call


@pytest.mark.parametrize(
    "source",
    ["open('a', 'w')", "open('a', mode='ab')", "open('a', 'x')", "open('a', 'r+')", "open('a', how)", "path.open('wb')",
     "os.open('a', os.O_WRONLY)", "path.write_text('x')", "path.write_bytes(b'')", "os.replace(a, b)", "os.remove(a)",
     "shutil.move(a, b)", "shutil.rmtree(a)", "path.unlink()", "path.mkdir()", "path.rename(b)", "frame.to_csv('a')",
     "np.save('a', x)", "torch.save(x, 'a')", "picture.save('a')",
     "openvino.save_model(m, 'a')", "save_file(x, 'a')", "tempfile.mkdtemp()"],
)  # fmt: skip
def test_a_planted_write_is_found(source: str) -> None:
    assert writes(source)


@pytest.mark.parametrize(
    "source",
    ["open('a')", "open('a', 'rb')", "path.open()", "path.open('r')", "os.open(f, os.O_RDONLY)",
     "Image.open(io.BytesIO(data), formats=x)", "storage.move(a, b)", "items.remove(x)", "save(tensors)",
     "text.replace('a', 'b')", "os.open(os.devnull, os.O_WRONLY)"],
)  # fmt: skip
def test_reading_is_no_write(source: str) -> None:
    assert writes(source) == []


def test_only_torch_save_into_memory_is_taken_for_that() -> None:
    in_memory = "b = io.BytesIO()\ntorch.save(x, b)"
    assert [f.partition(": ")[2] for f in writes(in_memory)] == ["torch.save into memory"]
    for source in (
        "torch.save(x, b)",
        "b = open_it()\ntorch.save(x, b)",
        f"{in_memory}\nb = path",
        "b = io.BytesIO()\ntorch.save(x, path)",
    ):
        assert [f.partition(": ")[2] for f in writes(source)] == ["torch.save"], source
    assert not allowed("imgtag/training/tuning/reporting.py", "line 1: torch.save")
    assert not allowed("imgtag/training/model.py", "line 1: torch.save into memory")


def test_nothing_on_the_list_of_exceptions_is_out_of_date() -> None:
    for name, call in ALLOWED:
        assert any(f.endswith(call) for f in writes((ROOT / name).read_text("utf-8"))), (name, call)


# ----------------------------------------------------------------------------- the rest of the house


def too_long(source: str) -> bool:
    return len(source.splitlines()) >= MOST_LINES


def test_no_module_is_longer_than_one_can_read() -> None:
    lengths = {name_of(p): len(p.read_text("utf-8").splitlines()) for p in SOURCES if too_long(p.read_text("utf-8"))}
    assert lengths == {}
    assert too_long("x = 1\n" * MOST_LINES)


def test_what_is_shipped_needs_nothing_of_imgtag() -> None:
    found = {name_of(p): uses(p.read_text("utf-8"), ["imgtag"]) for p in SHIPPED.glob("*.py")}
    assert len(found) >= 3
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_nothing_is_ever_unpickled() -> None:
    """No pickle, and torch.load only with weights_only=True (files of an installed package)."""

    def unsafe(source: str) -> list[str]:
        found = uses(source, ["pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"])
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
                safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
                if not safe:
                    found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
        return found

    found = {name_of(p): unsafe(p.read_text("utf-8")) for p in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert unsafe("import pickle") and unsafe("torch.load(f)") and unsafe("torch.load(f, weights_only=False)")
    assert not unsafe("torch.load(f, weights_only=True)")


def test_every_module_says_what_it_is_for() -> None:
    def silent(source: str) -> bool:
        return not ast.get_docstring(ast.parse(source))

    assert [name_of(p) for p in SOURCES if silent(p.read_text("utf-8"))] == []
    assert silent("import os")
