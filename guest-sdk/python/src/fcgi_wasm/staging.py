"""Puts together the folder that a component is built from."""

import json
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from . import app_files, packages as distributions
from .guest.files.archive import Writer
from .plan import Mistake, Plan

HERE = Path(__file__).parent
ENTRY = "fcgi_wasm_entry"

# Where the component finds them.
APP = "/app"
ZONES = "/usr/share/zoneinfo"
_STAGING = "/0"

# First the files: what is imported before them keeps the old `open`.
_ENTRY = """
import json
from fcgi_wasm.guest.files.system import mount
settings = json.loads({settings!r})
tree = mount(settings["archive"])
from fcgi_wasm.guest.{interface} import handle
from fcgi_wasm.guest.build import build
app = build(settings, tree)
"""

_NATIVE_HANDLER = """
class Handler:
    def handle(self):
        handle(app, settings["environment"])
"""

# The base class starts the coroutine.
_ASGI_HANDLER = """
from wit_world import exports
class Handler(exports.Handler):
    async def handle(self, request):
        return await handle(app, request, settings["environment"])
"""


@dataclass
class Embedded:
    """What is going to be in the component."""

    app_files: int = 0
    packages: list[distributions.Package] = field(default_factory=list)
    # All installed, by their normal names.
    installed: dict[str, distributions.Package] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    app_paths: list[str] = field(default_factory=list)

    def seems_asgi(self) -> bool:
        return bool(self.texts & {"starlette", "fastapi", "quart", "litestar", "get_asgi_application"})


def search_path() -> list[Path]:
    """Where this Python finds installed packages: `sys.path` without the
    standard library and without the current folder."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    folders = []
    for name in sys.path:
        path = Path(name)
        is_own = name in own or path.name == "lib-dynload" or path.suffix == ".zip"
        if name and path.is_dir() and not is_own and path != Path(sys.argv[0]).parent:
            folders.append(path)
    return folders


def gather(plan: Plan, archive: Path) -> tuple[Embedded, list[str]]:
    """Writes the archive. Returns what is in it, and the folders that the
    component has to search for modules."""
    files = [
        (path, below)
        for path, below in app_files.of_app(plan.folder, plan.exclude)
        if path.resolve() != plan.output
    ]
    _check_the_target(plan, files)
    embedded = Embedded(len(files), app_paths=[below for _, below in files])
    words = distributions.words(app_files.texts(files))
    embedded.texts = words | set(plan.include) | {plan.module.split(".")[0]}
    writer = Writer(archive.open("wb"))
    for path, below in files:
        writer.add(f"{APP}/{below}", path.read_bytes(), path.stat().st_mtime)
    folders = [path for path in search_path() if path != plan.folder]
    embedded.installed = distributions.installed([str(folder) for folder in folders])
    for name in plan.include:
        if distributions.normal(name) not in embedded.installed:
            raise Mistake(f"--include {name}: no such package is installed in {sys.prefix}")
    embedded.packages = distributions.needed(embedded.installed, embedded.texts)
    names = {}
    for package in embedded.packages:
        number = folders.index(package.folder) if package.folder in folders else len(folders)
        names[number] = f"/packages{number or ''}"
        for path, below in app_files.of_package(package.files):
            writer.add(f"{names[number]}/{below}", path.read_bytes(), path.stat().st_mtime)
    for path, below in _time_zones(embedded):
        writer.add(f"{ZONES}/{below}", path.read_bytes(), path.stat().st_mtime)
    for number, folder in enumerate(folders):
        for path, below in _loose(folder, embedded):
            names[number] = f"/packages{number or ''}"
            writer.add(f"{names[number]}/{below}", path.read_bytes(), path.stat().st_mtime)
    writer.close()
    return embedded, [names[number] for number in sorted(names)]


def _time_zones(embedded: Embedded):
    """The time zone database: that of the package `tzdata`, in files."""
    package = embedded.installed.get("tzdata")
    for path, below in package.files if package else ():
        name = below.removeprefix("tzdata/zoneinfo/")
        if name != below and path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path, name


def _loose(folder: Path, embedded: Embedded):
    """Modules that belong to no distribution, such as those of an editable
    install or of PYTHONPATH, if the application names them."""
    owned = {module for package in embedded.installed.values() for module in package.modules}
    for path in sorted(folder.iterdir()):
        name = path.name.partition(".")[0]
        is_module = path.suffix == ".py" or (path / "__init__.py").exists()
        if not is_module or name in owned or name not in embedded.texts or name == "fcgi_wasm":
            continue
        inside = [(path, path.name)] if path.is_file() else app_files.of_app(path, [])
        for file, below in inside:
            yield file, path.name if path.is_file() else f"{path.name}/{below}"


def _check_the_target(plan: Plan, files: list[tuple[Path, str]]) -> None:
    if plan.script:
        return
    top = plan.module.split(".")[0]
    here = {below.partition("/")[0].removesuffix(".py") for _, below in files}
    if top in here or (plan.folder / top).exists():
        return
    if any((folder / top).exists() or (folder / f"{top}.py").exists() for folder in search_path()):
        return
    likely = sorted(name for _, name in files if "/" not in name and name.endswith((".py", ".fcgi")))
    hint = f"; there are {', '.join(likely[:6])}" if likely else ""
    raise Mistake(f"there is no module {top!r} in {plan.folder}{hint}")


def write(plan: Plan, is_asgi: bool, staging: Path, path: list[str], embedded: Embedded) -> None:
    """Writes the entry module, beside our own package."""
    shutil.rmtree(staging / "fcgi_wasm", ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "wit", "stand_ins")
    shutil.copytree(HERE, staging / "fcgi_wasm", ignore=ignore)
    shutil.copytree(HERE / "stand_ins", staging / "stand_ins", dirs_exist_ok=True)
    (staging / "site-packages").mkdir(exist_ok=True)
    settings = {
        "report": f"{_STAGING}/report.json",
        "archive": f"{_STAGING}/archive",
        "path": path,
        "stand_ins": f"{_STAGING}/stand_ins",
        "has_servers": bool(plan.script) or bool(embedded.texts & {"flup", "flipflop"}),
        "script": plan.script,
        "module": plan.module,
        "attribute": plan.attribute,
        "is_asgi": is_asgi,
        "warm": plan.warm,
        "preload": plan.preload,
        "environment": plan.environment,
        "standard_library": plan.has_standard_library,
    }
    source = _ENTRY.format(settings=json.dumps(settings), interface="http" if is_asgi else "native")
    source += _ASGI_HANDLER if is_asgi else _NATIVE_HANDLER
    (staging / f"{ENTRY}.py").write_text(source)
