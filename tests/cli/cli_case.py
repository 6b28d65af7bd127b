"""What the tests of the command line share: pictures to paint, the program, and what a mistake looks like."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from cli_files import png

USAGE, IMAGE, WEIGHTS, DEVICE, MEMORY, OUTPUT, INTERRUPTED = 2, 3, 4, 5, 6, 8, 130
MISTAKE_SECONDS = 5   # a mistake is told before any long work
LONG_RUN = ["--iterations", "100000", "--scales", "1"]
FAST = ["--weights", "random", "--network", "vgg11", "--size", "48", "--iterations", "3", "--scales", "1"]

ONE_LAYER = ["--weights", "splitmix:1", "--style-layers", "relu1_1", "--content-layers", "relu1_1"]


class CliTest(unittest.TestCase):
    program = "build/swag"

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.content = self.write("content.png", png(64, 48))
        painting = png(56, 64, 3, lambda x, y: [4 * x, 255 - 3 * y, (x ^ y) * 4 % 256])
        self.style = self.write("style.png", painting)
        self.out = self.path("out.png")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def swag(self, *arguments, **environment):
        settings = {k: v for k, v in os.environ.items() if k != "SWAG_WEIGHTS"}
        settings.update({"XDG_DATA_HOME": self.path("data")}, **environment)
        return subprocess.run([CliTest.program, *map(str, arguments)], capture_output=True, text=True, env=settings,
                              timeout=300)

    def stylise(self, *arguments, code=0):
        result = self.swag(self.content, self.style, "-o", self.out, *FAST, *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def assert_mistake(self, code, arguments, *words):
        """One line or two on stderr that hold the words, the exit code, soon, and no picture."""
        start = time.monotonic()
        result = self.swag(*arguments)
        seconds = time.monotonic() - start
        self.assertEqual(result.returncode, code, result.stderr)
        lines = result.stderr.splitlines()
        self.assertIn(len(lines), (1, 2), result.stderr)
        self.assertTrue(lines[0].startswith("swag: "), lines[0])
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertLess(seconds, MISTAKE_SECONDS)

    def assert_bad(self, code, *words, content=None, style=None, out=None, options=()):
        """The same of a run with these options."""
        arguments = [content or self.content, style or self.style, "-o", out or self.out, *FAST, *options]
        self.assert_mistake(code, arguments, *words)
        self.assertFalse(os.path.isfile(self.out))


class QuickTest(CliTest):
    """Of what is about files, not about pictures: one layer is enough."""

    def stylise(self, *arguments, code=0):
        return super().stylise(*ONE_LAYER, *arguments, code=code)


def main(program):
    """Runs the tests of the script that calls it, with the program that its first word names, or this one."""
    if len(sys.argv) > 1 and os.access(sys.argv[1], os.X_OK):
        program = sys.argv.pop(1)
    CliTest.program = os.path.abspath(program)
    # Whoever started this may ignore signals (nohup, a shell's background), and the program would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    unittest.main()
