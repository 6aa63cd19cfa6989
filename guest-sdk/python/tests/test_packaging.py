"""What the packager decides, without building anything."""

import hashlib
import sys
import tempfile
import types
import unittest
from pathlib import Path

from fcgi_wasm import app_files, packages, staging
from fcgi_wasm.componentizing import Failed
from fcgi_wasm.explaining import explained
from fcgi_wasm.guest import finding, key_derivation
from fcgi_wasm.guest.module_state import ModuleState
from fcgi_wasm.plan import Mistake, parser, understood
from fcgi_wasm.staging import Embedded

WIT = Path(staging.HERE, "wit")


def requires(*lines):
    return {packages.required(line) for line in lines}


def plan(*arguments):
    return understood(parser().parse_args(arguments))


class Contract(unittest.TestCase):
    def test_the_packaged_contract_is_the_only_one(self):
        source = Path(__file__).parents[2] / "wit/app.wit"
        for copy in ("native/app.wit", "asgi/deps/app.wit"):
            self.assertEqual((WIT / copy).read_text(), source.read_text())


class CommandLine(unittest.TestCase):
    def test_ways_to_name_an_application(self):
        with tempfile.TemporaryDirectory() as name:
            Path(name, "site.fcgi").touch()
            Path(name, "app.py").touch()
            for target, expected in [
                ("app", ("", "app", "")),
                ("app.py", ("", "app", "")),
                ("app:application", ("", "app", "application")),
                ("mysite.wsgi:application", ("", "mysite.wsgi", "application")),
                ("shop:create_app('x')", ("", "shop", "create_app('x')")),
                ("site.fcgi", ("site.fcgi", "", "")),
            ]:
                found = plan(target, "--folder", name)
                self.assertEqual((found.script, found.module, found.attribute), expected)

    def test_mistakes(self):
        for arguments in [
            ("no module",),
            ("app", "--folder", "/nowhere"),
            ("app", "--output", "/nowhere/app.wasm"),
            ("app", "--env", "NAME"),
        ]:
            with self.assertRaises(Mistake):
                plan(*arguments)

    def test_warm_requests(self):
        self.assertEqual(plan("app").warm, ["/"])
        self.assertEqual(plan("app", "--warm", "/a", "--warm", "/b").warm, ["/a", "/b"])
        self.assertEqual(plan("app", "--no-warm").warm, [])


class Files(unittest.TestCase):
    def test_what_is_left_out(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            kept = ["app.py", "static/a.css", ".env", "data/d.json"]
            left_out = [".git/x", "__pycache__/a.pyc", "venv/pyvenv.cfg", "venv/lib/x.py", "old.wasm", "secret/k"]
            for below in kept + left_out:
                path = folder / below
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            found = [below for _, below in app_files.of_app(folder, ["secret"])]
            self.assertEqual(sorted(found), sorted(kept))

    def test_packages_without_their_tests(self):
        here = Path(__file__)
        files = [(here, name) for name in ("p/a.py", "p/tests/t.py", "p/x.so", "p/testing/b.py", "p/a.po")]
        self.assertEqual([below for _, below in app_files.of_package(files)], ["p/a.py", "p/testing/b.py"])


class Packages(unittest.TestCase):
    def test_what_is_named_and_what_that_requires(self):
        installed = {
            "flask": packages.Package("flask", {"flask"}, requires("jinja2", "asgiref; extra == 'async'", "boto3; extra == 'test'")),
            "jinja2": packages.Package("jinja2", {"jinja2"}, requires("absent>=2")),
            "asgiref": packages.Package("asgiref", {"asgiref"}, set()),
            "pyyaml": packages.Package("pyyaml", {"yaml"}, set()),
            "django-crispy": packages.Package("django-crispy", {"crispy"}, set()),
            "boto3": packages.Package("boto3", {"boto3"}, set()),
            "pip": packages.Package("pip", {"pip"}, set()),
        }
        texts = ["import flask, pip\nimport yaml", "INSTALLED_APPS = ['crispy']"]
        found = packages.needed(installed, packages.words(texts))
        self.assertEqual([package.name for package in found], ["asgiref", "django-crispy", "flask", "jinja2", "pyyaml"])
        found = packages.needed(installed, packages.words(["Django-Crispy==1"]))
        self.assertEqual([package.name for package in found], ["django-crispy"])


class Explanations(unittest.TestCase):
    def explain(self, embedded=None, **report):
        report = {"failure": "exception", "files": [], "traceback": ["Boom\n"], "text": "", **report}
        return explained(Failed(report, ""), plan("app"), embedded or Embedded())

    def test_hints(self):
        self.assertIn("environment active", self.explain(kind="ModuleNotFoundError", module="absent"))
        self.assertIn("--env DATABASE=VALUE", self.explain(kind="KeyError", text="'DATABASE'"))
        self.assertIn("no threads", self.explain(kind="RuntimeError", text="can't start new thread"))
        self.assertIn("gone since Python 3.13", self.explain(kind="ModuleNotFoundError", module="cgi"))

    def test_machine_code_is_named(self):
        files = [(Path("x"), "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so")]
        numpy = packages.Package("numpy", {"numpy"}, set(), files)
        embedded = Embedded(packages=[numpy], installed={"numpy": numpy})
        text = self.explain(embedded, kind="ImportError", files=["/app/app.py", "/packages/numpy/__init__.py"])
        self.assertIn("'numpy' needs machine code", text)


class Finding(unittest.TestCase):
    def setUp(self):
        self.module = types.ModuleType("an_application")
        sys.modules["an_application"] = self.module

    def tearDown(self):
        del sys.modules["an_application"]
        finding.recorded.clear()

    def test_names_and_calls(self):
        app = self.module.app = lambda environ, start_response: []
        self.module.make = lambda kind="x": app if kind == "y" else None
        self.module.inner = types.SimpleNamespace(app=app)
        for attribute in ("app", "", "make('y')", "make(kind='y')", "inner.app"):
            self.assertIs(finding.in_module("an_application", attribute), app)
        for attribute in ("other", "make(app)", "make()", "a b"):
            with self.assertRaises(finding.NotFound):
                finding.in_module("an_application", attribute)

    def test_scripts_and_their_servers(self):
        with tempfile.TemporaryDirectory() as folder:
            stand_ins = str(staging.HERE / "stand_ins")
            sys.path.insert(0, stand_ins)
            script = Path(folder, "site.fcgi")
            for text in (
                "from flup.server.fcgi import WSGIServer\nWSGIServer(app, bindAddress='x').run()",
                "from flipflop import WSGIServer\nif __name__ == '__main__': WSGIServer(app).run()",
                "from wsgiref.handlers import CGIHandler\nCGIHandler().run(app)\nraise SystemExit",
            ):
                script.write_text("#!/usr/bin/python\ndef app(environ, start_response): ...\n" + text)
                finding.recorded.clear()
                self.assertEqual(finding.in_script(str(script)).__name__, "app")
            sys.path.remove(stand_ins)

    def test_kinds(self):
        class Async:
            async def __call__(self, scope, receive, send): ...

        class Wsgi:
            def __call__(self, environ, start_response): ...

        def wrapped(scope, receive, send): ...

        self.assertTrue(finding.is_asgi(Async()) and finding.is_asgi(wrapped))
        self.assertFalse(finding.is_asgi(Wsgi()) or finding.is_asgi(lambda environ, start: []))


class State(unittest.TestCase):
    def test_what_a_request_changed_is_undone(self):
        module = types.ModuleType("counting")
        module.__file__ = "/app/counting.py"
        module.count, module.seen, module.deep = 0, [], {"a": {"b": [1]}}
        sys.modules["counting"] = module
        try:
            state = ModuleState("/app")
            seen, deep = module.seen, module.deep
            module.count += 1
            module.seen.append(1)
            module.deep["a"]["b"].append(2)
            module.new = "x"
            state.restore()
            self.assertEqual((module.count, module.seen, module.deep), (0, [], {"a": {"b": [1]}}))
            self.assertTrue(module.seen is seen and module.deep is deep)
            self.assertFalse(hasattr(module, "new"))
        finally:
            del sys.modules["counting"]


class KeyDerivation(unittest.TestCase):
    def test_it_is_that_of_openssl(self):
        for name, password, salt, rounds, length in [
            ("sha1", b"password", b"salt", 2, 20),
            ("sha256", b"pass\0word", b"sa\0lt", 4096, None),
            ("sha512", b"p" * 200, b"", 1, 200),
        ]:
            arguments = (name, password, salt, rounds, length)
            self.assertEqual(key_derivation.pbkdf2_hmac(*arguments), hashlib.pbkdf2_hmac(*arguments))


if __name__ == "__main__":
    unittest.main()
