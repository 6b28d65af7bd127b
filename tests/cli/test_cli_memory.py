#!/usr/bin/env python3
"""Runs under limits of memory: a whole picture or one line and the exit code for it; no hang, no other code.

    python3 tests/cli/test_cli_memory.py build/swag

Needs the standard library alone.
"""
import os
import resource
import subprocess
import unittest

import cli_case
from cli_case import MEMORY, CliTest
from cli_files import decode_png

MIB = 1 << 20
LAYERS = ["--style-layers", "relu1_1,relu2_1", "--content-layers", "relu2_1"]
RUN = ["--network", "vgg11", "--scales", "2", "--size", "250", "-n", "1", "-q", "--threads", "2", *LAYERS]


def limited(kind, size):
    def set_limit():
        resource.setrlimit(kind, (size, size))
    return set_limit


class UnderALimit(CliTest):
    def run_under(self, kind, size, *options):
        """The exit code; checks that it is 0 with a picture, or 6 with one line and none, or the best so far."""
        if os.path.exists(self.out):
            os.remove(self.out)
        result = subprocess.run([CliTest.program, self.content, self.style, "-o", self.out, *RUN, *options],
                                capture_output=True, text=True, timeout=60, preexec_fn=limited(kind, size))
        with self.subTest(mebibytes=size // MIB, options=options):
            if result.returncode == 0:
                self.assertEqual(result.stderr, "")
                self.assertTrue(os.path.exists(self.out))
            else:
                self.assertEqual(result.returncode, MEMORY, result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertTrue(result.stderr.startswith("swag: "), result.stderr)
                self.assertEqual(os.path.exists(self.out), "the best picture so far" in result.stderr, result.stderr)
            if os.path.exists(self.out):
                decode_png(self.read("out.png"))
        return result.returncode

    def steps(self, kind, sizes, *options):
        codes = [self.run_under(kind, size * MIB, *options) for size in sizes]
        self.assertEqual(codes[0], MEMORY)
        self.assertEqual(codes[-1], 0)

    # Below some 20 MiB the program itself cannot be loaded, and the shell reports 127: that is not tried.

    def test_address_space(self):
        self.steps(resource.RLIMIT_AS, [*range(40, 300, 8), 350, 400, 500, 700, 1000, 1500, 2000],
                   "--weights", "splitmix:1")

    def test_address_space_of_a_fit(self):
        self.steps(resource.RLIMIT_AS, [40, 150, 250, 300, 400, 500, 600, 2000], "--weights", "fitted")

    def test_data(self):
        self.steps(resource.RLIMIT_DATA, [10, 20, 40, 70, 100, 150, 200, 2000], "--weights", "splitmix:1")

    def test_threads_take_no_address_space_that_was_not_reckoned_with(self):
        words = ["--weights", "splitmix:1", "--precision", "double", "--size", "200"]
        for threads in ("4", "8"):
            codes = [self.run_under(resource.RLIMIT_AS, size * MIB, "--threads", threads, *words)
                     for size in (260, 350, 500)]
            self.assertEqual(codes, [0] * 3)

    def test_many_threads(self):
        self.steps(resource.RLIMIT_AS, [40, 100, 200, 300, 400, 600, 4000], "--weights", "splitmix:1",
                   "--threads", "64")


class LargeInputs(CliTest):
    def test_a_style_far_larger_than_memory_is_refused_at_once(self):
        limit = limited(resource.RLIMIT_AS, 400 * MIB)
        result = subprocess.run([CliTest.program, self.content, self.style, "-o", self.out, "--network", "vgg11",
                                 "--weights", "splitmix:1", "--size", "128", "--style-scale", "16", "--scales", "1",
                                 *LAYERS], capture_output=True, text=True, timeout=60, preexec_fn=limit)
        self.assertEqual(result.returncode, MEMORY, result.stderr)
        self.assertIn("largest --size that fits", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)


if __name__ == "__main__":
    cli_case.main("build/swag")
