"""Finds the application: `module:name`, `module:factory()`, or in a script.

A script is one of the old guides' (`WSGIServer(app).run()`, and
`CGIHandler().run(app)`): it is run as the main program, with stand-ins for
the servers that take note of the application instead of serving it.
"""

import ast
import importlib
import inspect
import sys
import types
from typing import Callable

# The names that are looked for where none is given.
NAMES = ("app", "application", "asgi", "wsgi")
FACTORIES = ("create_app", "make_app")


class NotFound(Exception):
    """There is no application where one was expected."""


# What the stand-ins were given.
recorded: list[Callable] = []


def record(app: Callable) -> None:
    recorded.append(app)


def is_asgi(app) -> bool:
    """Whether it is to be called as `await app(scope, receive, send)`."""
    is_plain = inspect.isroutine(app) or inspect.isclass(app)
    call = app if is_plain else getattr(app, "__call__", None)
    if inspect.iscoroutinefunction(call):
        return True
    # Middleware may be a function that returns what is to be awaited.
    try:
        names = list(inspect.signature(call).parameters)
    except (TypeError, ValueError):
        return False
    return names[:3] == ["scope", "receive", "send"]


def in_module(name: str, attribute: str) -> Callable:
    """`attribute` may be dotted, may be a call with literals, may be empty."""
    module = importlib.import_module(name)
    if not attribute:
        return _guessed(module)
    try:
        expression = ast.parse(attribute, mode="eval").body
    except SyntaxError:
        raise NotFound(f"{attribute!r} is neither a name nor a call") from None
    arguments, options = [], {}
    is_call = isinstance(expression, ast.Call)
    if is_call:
        try:
            arguments = [ast.literal_eval(value) for value in expression.args]
            options = {word.arg: ast.literal_eval(word.value) for word in expression.keywords}
        except ValueError:
            raise NotFound(f"{attribute!r}: its arguments have to be literals") from None
        expression = expression.func
    found = module
    for part in ast.unparse(expression).split("."):
        if not hasattr(found, part):
            raise NotFound(_nothing_named(module, part))
        found = getattr(found, part)
    if is_call:
        found = found(*arguments, **options)
    elif attribute in FACTORIES and not inspect.signature(found).parameters:
        found = found()
    if not callable(found):
        raise NotFound(f"{name}:{attribute} is a {type(found).__name__}, which is no application")
    return found


def _nothing_named(module: types.ModuleType, name: str) -> str:
    others = [known for known in (*NAMES, *FACTORIES) if hasattr(module, known)]
    hint = f"; it has {', '.join(others)}" if others else ""
    return f"the module {module.__name__!r} has nothing named {name!r}{hint}"


def _guessed(module: types.ModuleType) -> Callable:
    for name in NAMES:
        found = getattr(module, name, None)
        if callable(found):
            return found
    applications = [
        value for value in vars(module).values() if _has_kind(value, "Flask", "Bottle", "Starlette")
    ]
    if len(applications) == 1:
        return applications[0]
    for name in FACTORIES:
        found = getattr(module, name, None)
        if callable(found):
            return found()
    bottle = sys.modules.get("bottle")
    if bottle is not None and bottle.default_app().routes:
        return bottle.default_app()
    if recorded:
        return recorded[0]
    looked_for = ", ".join((*NAMES, *FACTORIES))
    raise NotFound(f"the module {module.__name__!r} has none of {looked_for}; name it: module:name")


def _has_kind(value, *names: str) -> bool:
    return any(kind.__name__ in names for kind in type(value).__mro__)


def in_script(path: str) -> Callable:
    """Runs a script until its end and takes what it wanted served."""
    main = types.ModuleType("__main__")
    main.__file__ = path
    before, sys.modules["__main__"] = sys.modules.get("__main__"), main
    sys.argv = [path]
    with open(path, "rb") as file:
        source = file.read()
    stand_in_for_servers(source.decode(errors="replace"))
    code = compile(source, path, "exec")
    try:
        exec(code, vars(main))
    except SystemExit:
        if not recorded:
            raise
    finally:
        # The script stays the main program for what looks itself up there.
        if not recorded and before is not None:
            sys.modules["__main__"] = before
    return recorded[0] if recorded else _guessed(main)


def stand_in_for_servers(text: str) -> None:
    """Makes the standard library's CGI handler, and the `run` of frameworks
    that this program text names, take note of the application."""
    from wsgiref import handlers

    handlers.CGIHandler.__init__ = lambda _handler: None
    handlers.CGIHandler.run = lambda _handler, app: record(app)
    if "flask" in text:
        flask = importlib.import_module("flask")
        flask.Flask.run = lambda app, *_arguments, **_options: record(app)
    if "bottle" in text:
        bottle = importlib.import_module("bottle")

        def run(app=None, *_arguments, **_options):
            record(app or bottle.default_app())

        bottle.run = bottle.Bottle.run = run
