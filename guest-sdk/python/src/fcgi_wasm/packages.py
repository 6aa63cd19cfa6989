"""Which installed distributions an application needs.

Those that its files name, by import, by a string in its settings or by a line
of requirements.txt, and those that these require in turn. A distribution too
many costs a little size; one too few, an import that fails.
"""

import re
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

# Needed to install and to package, never to serve.
_TOOLS = {"pip", "wheel", "componentize-py", "fcgi-wasm"}

# Only where another package requires it: pkg_resources is in there.
_IF_REQUIRED = {"setuptools"}

# Embedded always, as files and not as a package.
_OTHERWISE = {"tzdata"}

_FOR_DEVELOPERS = {"dev", "develop", "doc", "docs", "lint", "test", "testing", "tests", "typing"}

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*")


@dataclass
class Package:
    """An installed distribution."""

    name: str
    # The names that `import` knows it by.
    modules: set[str]
    requires: set[str]
    # (file, its path below a folder of sys.path)
    files: list[tuple[Path, str]] = field(default_factory=list)
    folder: Path = Path()

    def native_modules(self) -> list[str]:
        """Those that can be imported, not the libraries they bring along."""
        names = (name for _, name in self.files)
        return [name for name in names if name.endswith((".so", ".pyd")) and ".libs/" not in name]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folders: list[str]) -> dict[str, Package]:
    """All distributions in these folders, by their normal names."""
    packages: dict[str, Package] = {}
    for distribution in metadata.distributions(path=folders):
        name = normal(distribution.metadata["Name"] or "")
        if not name or name in packages:
            continue
        files = _files(distribution)
        modules = {part for _, path in files if (part := _top_module(path))}
        requires = {required(line) for line in distribution.requires or ()}
        folder = Path(str(distribution.locate_file("")))
        packages[name] = Package(name, modules, requires, files, folder)
    return packages


def _files(distribution: metadata.Distribution) -> list[tuple[Path, str]]:
    found = []
    for file in distribution.files or ():
        # Scripts lie outside, in ../../../bin.
        if ".." not in file.parts:
            found.append((Path(str(distribution.locate_file(file))), file.as_posix()))
    return found


def _top_module(path: str) -> str | None:
    top, _, rest = path.partition("/")
    if rest:
        is_package = rest.endswith((".py", ".so")) and top.isidentifier()
        return top if is_package else None
    return top.partition(".")[0] if top.endswith((".py", ".so")) else None


def required(line: str) -> str:
    """The name in a line of `Requires-Dist`. What is required for an option
    counts as well: if it is installed, somebody wants it."""
    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    option = re.search(r"""extra\s*==\s*['"]([^'"]+)""", line)
    is_for_developers = option is not None and option[1].lower() in _FOR_DEVELOPERS
    return normal(name[0]) if name and not is_for_developers else ""


def words(texts) -> set[str]:
    """All names that occur in these texts."""
    found: set[str] = set()
    for text in texts:
        found.update(_WORD.findall(text))
    return found


def needed(packages: dict[str, Package], names: set[str]) -> list[Package]:
    """The distributions that these names mean, with what they require."""
    normal_names = {normal(name) for name in names}
    waiting = [
        name
        for name, package in packages.items()
        if name not in _IF_REQUIRED and (name in normal_names or package.modules & names)
    ]
    chosen: dict[str, Package] = {}
    while waiting:
        name = waiting.pop()
        if name in packages and name not in chosen and name not in _TOOLS | _OTHERWISE:
            chosen[name] = packages[name]
            waiting.extend(packages[name].requires)
    return [chosen[name] for name in sorted(chosen)]


def is_of_standard_library(module: str) -> bool:
    return module in sys.stdlib_module_names
