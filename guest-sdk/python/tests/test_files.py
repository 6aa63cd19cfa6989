"""The embedded files, in a Python of their own since they replace `open`."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from fcgi_wasm.guest.files.archive import Archive, Writer

HERE = Path(__file__).parent

FILES = {
    "/app/a.txt": b"hello\n" * 1000,
    "/app/module.py": b"X = 1\n",
    "/app/package/__init__.py": b"Y = 2\n",
    "/app/package/data/d.json": b"{}",
    "/app/templates/b.html": b"<b>",
}


def write_archive(path):
    writer = Writer(open(path, "wb"))
    for name, content in FILES.items():
        writer.add(name, content, 1.5)
    writer.close()


class Archives(unittest.TestCase):
    def test_from_disk_and_from_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "archive")
            write_archive(path)
            self.assertLess(path.stat().st_size, 2000)
            archive = Archive(path.open("rb"))
            for name, content in FILES.items():
                self.assertEqual(archive.read(name), content)
            archive.hold([("/app/a.txt", b"another", 2), ("/python/x.py", b"new", 2)])
        for name, content in {**FILES, "/python/x.py": b"new"}.items():
            self.assertEqual(archive.read(name), content)


class Programs(unittest.TestCase):
    """Each runs as a program that sees the files above."""

    def check(self, program):
        prelude = (
            "import errno, os, sys\n"
            f"sys.path.insert(0, {str(HERE.parent / 'src')!r})\n"
            "from fcgi_wasm.guest.files.system import mount\n"
            "tree = mount(sys.argv[1]); tree.hold(); os.chdir('/app'); sys.path.insert(0, '/app')\n"
            "def refused(action, code):\n"
            "    try: action()\n"
            "    except OSError as failure: assert failure.errno == code, failure\n"
            "    else: assert False, 'not refused'\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "archive")
            write_archive(archive)
            command = [sys.executable, "-c", prelude + program, str(archive), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_reading(self):
        self.check(
            "import io\n"
            "assert open('a.txt').readline() == 'hello\\n'\n"
            "assert open('/app/a.txt', 'rb').read(3) == b'hel'\n"
            "with open('templates/b.html', encoding='utf-8') as file: assert file.read() == '<b>'\n"
            "file = open('a.txt', 'rb'); file.seek(-6, 2); assert file.read() == b'hello\\n'\n"
            "assert isinstance(open('a.txt', 'rb', buffering=0), io.RawIOBase)\n"
            "refused(lambda: open('nothing'), errno.ENOENT)\n"
            "refused(lambda: open('/app'), errno.EISDIR)\n"
        )

    def test_looking(self):
        self.check(
            "import glob, pathlib\n"
            "assert os.stat('a.txt').st_size == 6000 and os.path.getmtime('a.txt') == 1.5\n"
            "assert os.path.isfile('a.txt') and os.path.isdir('templates') and not os.path.exists('c')\n"
            "assert os.path.realpath('templates/../a.txt') == '/app/a.txt'\n"
            "assert sorted(os.listdir()) == ['a.txt', 'module.py', 'package', 'templates']\n"
            "assert [name for _, _, names in os.walk('/app/package') for name in names] == ['__init__.py', 'd.json']\n"
            "with os.scandir('/app') as found: assert {e.name: e.is_dir() for e in found}['package']\n"
            "assert glob.glob('*.txt') == ['a.txt']\n"
            "assert [p.name for p in pathlib.Path('.').rglob('*.html')] == ['b.html']\n"
            "assert pathlib.Path('a.txt').read_text().startswith('hello')\n"
            "assert os.access('a.txt', os.R_OK) and not os.access('a.txt', os.W_OK)\n"
            "refused(lambda: os.listdir('a.txt'), errno.ENOTDIR)\n"
        )

    def test_importing(self):
        self.check(
            "import importlib.resources, module, package\n"
            "assert module.X == 1 and module.__file__ == '/app/module.py' and package.Y == 2\n"
            "assert importlib.resources.files('package').joinpath('data/d.json').read_text() == '{}'\n"
        )

    def test_writing_is_refused(self):
        self.check(
            "for mode in ('w', 'a', 'r+'): refused(lambda: open('a.txt', mode), errno.EROFS)\n"
            "refused(lambda: open('new.txt', 'w'), errno.EROFS)\n"
            "refused(lambda: open('a.txt', 'x'), errno.EEXIST)\n"
            "refused(lambda: os.unlink('a.txt'), errno.EROFS)\n"
            "refused(lambda: os.rename('a.txt', 'b.txt'), errno.EROFS)\n"
            "refused(lambda: open('/nowhere/x', 'w'), errno.ENOENT)\n"
            "os.makedirs('instance/deep', exist_ok=True); os.makedirs('instance/deep', exist_ok=True)\n"
            "refused(lambda: os.mkdir('templates'), errno.EEXIST)\n"
            "refused(lambda: os.rmdir('templates'), errno.ENOTEMPTY)\n"
        )

    def test_temporary_files(self):
        # Where there is no real /tmp; `tree` alone is what is tested here.
        self.check(
            "from fcgi_wasm.guest.files.handles import Handles, file_object, flags_of\n"
            "handles = Handles(tree)\n"
            "with file_object(handles.open('/tmp/x', flags_of('w')), 'w') as file: file.write('one')\n"
            "with file_object(handles.open('/tmp/x', flags_of('a')), 'a') as file: file.write(' two')\n"
            "both = file_object(handles.open('/tmp/x', flags_of('r+')), 'r+b')\n"
            "assert both.read() == b'one two'; both.seek(0); both.write(b'ONE'); both.flush()\n"
            "assert tree.memory['/tmp/x'].content == b'ONE two'\n"
            "both.truncate(3); assert tree.stat('/tmp/x').st_size == 3\n"
            "tree.rename('/tmp/x', '/tmp/y'); assert not tree.has('/tmp/x')\n"
            "tree.remove('/tmp/y'); assert tree.list('/tmp') == []\n"
        )

    def test_real_files_go_first(self):
        self.check(
            "real = os.path.join(sys.argv[2], 'real')\n"
            "os.makedirs(real); open(real + '/f', 'w').write('x'); assert os.listdir(real) == ['f']\n"
            "os.rename(real + '/f', real + '/g'); assert open(real + '/g').read() == 'x'\n"
            "number = os.open(real + '/g', os.O_RDONLY); assert os.read(number, 5) == b'x'; os.close(number)\n"
            "os.unlink(real + '/g'); os.rmdir(real)\n"
        )


if __name__ == "__main__":
    unittest.main()
