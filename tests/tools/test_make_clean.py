#!/usr/bin/env python3
"""What `make clean` removes, and what it leaves.

    python3 tests/tools/test_make_clean.py
"""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


@unittest.skipUnless(shutil.which("make"), "SKIP: there is no make")
class MakeClean(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = os.path.join(folder.name, "build")

    def write(self, *names):
        for name in names:
            path = os.path.join(self.build, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as stream:
                stream.write("x")

    def make(self, target):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        command = ["make", "-s", "-C", ROOT, target, "BUILD=" + self.build, "CUDA=0"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    def left(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.build)
                      for folder, _, names in os.walk(self.build) for name in names)

    def test_the_toolkit_stays_and_all_else_goes(self):
        toolkit = ["cuda/install.log", "cuda/packages/nvidia/cu13/bin/nvcc", "cuda/venv/bin/python"]
        self.write("swag", ".hidden", "obj/src/a.o", "cuda/src/a.o", "cuda/architectures", *toolkit)
        self.make("clean")
        self.assertEqual(self.left(), toolkit)
        self.make("distclean")
        self.assertFalse(os.path.exists(self.build))

    def test_without_a_toolkit_nothing_stays(self):
        self.make("clean")
        self.write("swag", "cuda/src/a.o")
        self.make("clean")
        self.assertFalse(os.path.exists(self.build))


if __name__ == "__main__":
    unittest.main()
