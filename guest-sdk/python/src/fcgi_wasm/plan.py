"""What was asked for on the command line, understood and checked."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path


class Mistake(Exception):
    """Something the user has to put right. Its text says what."""


@dataclass
class Plan:
    """One build."""

    folder: Path
    output: Path
    # Either of the two.
    script: str = ""
    module: str = ""
    attribute: str = ""
    # None: found out.
    is_asgi: bool | None = None
    warm: list[str] = field(default_factory=lambda: ["/"])
    preload: list[str] = field(default_factory=list)
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    has_standard_library: bool = True

    @property
    def target(self) -> str:
        return self.script or ":".join(filter(None, (self.module, self.attribute)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fcgi-wasm-python",
        description="Packages a WSGI or ASGI application as a WebAssembly component for fcgi-wasm. "
        "Run it in the application's folder, in the environment its packages are installed in.",
    )
    add = parser.add_argument
    add(
        "target",
        metavar="APP",
        help="module:name, module:factory(), module, or a script such as yourapplication.fcgi",
    )
    add("-o", "--output", type=Path, default=Path("app.wasm"), help="the component (app.wasm)")
    add("--folder", type=Path, default=Path(), help="the application's folder (the current one)")
    world = parser.add_mutually_exclusive_group()
    world.add_argument("--wsgi", dest="is_asgi", action="store_false", default=None, help="it is WSGI")
    world.add_argument("--asgi", dest="is_asgi", action="store_true", default=None, help="it is ASGI")
    add(
        "--warm",
        metavar="PATH",
        action="append",
        help="GET this once while building, so that what it needs is loaded; may be repeated (/)",
    )
    add("--no-warm", action="store_true", help="make no request while building")
    add("--preload", metavar="MODULE", action="append", default=[], help="import this while building")
    add("--include", metavar="PACKAGE", action="append", default=[], help="embed this package too")
    add("--exclude", metavar="PATTERN", action="append", default=[], help="do not embed such files")
    add(
        "--env",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set for the application, while it is built and when it runs",
    )
    add(
        "--no-standard-library",
        action="store_true",
        help="leave out what of it is not imported while building (about 3 MB smaller)",
    )
    return parser


def understood(arguments: argparse.Namespace) -> Plan:
    """The plan, or a `Mistake`."""
    folder = arguments.folder.resolve()
    if not folder.is_dir():
        raise Mistake(f"there is no folder {arguments.folder}")
    output = arguments.output.resolve()
    if not output.parent.is_dir():
        raise Mistake(f"there is no folder {output.parent} to write {output.name} to")
    plan = Plan(
        folder,
        output,
        is_asgi=arguments.is_asgi,
        preload=arguments.preload,
        include=arguments.include,
        exclude=arguments.exclude,
        has_standard_library=not arguments.no_standard_library,
    )
    plan.warm = [] if arguments.no_warm else arguments.warm or ["/"]
    for setting in arguments.env:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise Mistake(f"--env takes NAME=VALUE, not {setting!r}")
        plan.environment[name] = value
    _name_the_app(plan, arguments.target)
    return plan


def _name_the_app(plan: Plan, target: str) -> None:
    module, _, attribute = target.partition(":")
    path = plan.folder / module
    if path.is_file() and not module.endswith(".py"):
        plan.script = Path(module).as_posix()
        if attribute:
            raise Mistake(f"{module} is a script: it says itself what it serves, without {attribute!r}")
        return
    module = module.removesuffix("/").removesuffix(".py").replace("/", ".").lstrip(".")
    if not module or not all(part.isidentifier() for part in module.split(".")):
        raise Mistake(f"{target!r} is neither a module's name nor a script in {plan.folder}")
    plan.module, plan.attribute = module, attribute
