#!/usr/bin/env python3
"""Failures put into a run: killed at any moment, a disk that fills up at any write, memory that runs out at any
allocation. Whatever happens, files are whole or absent, old ones stay as they were, and one line tells.

    python3 tests/cli/test_failures.py build/swag          some of each, in seconds
    make failures                                          all of them, in half an hour

Needs the standard library and the compiler that built the program: $CXX (c++).
"""
import errno
import os
import random
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

import cli_case
from cli_case import FAST, MEMORY, ONE_LAYER, OUTPUT, QuickTest
from cli_files import decode_png, png

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "failures")
ALL = os.environ.get("FAILURES") == "all"
OLD = png(16, 16)   # what is there before a run


def shared_object(folder, source, language):
    """Compiles one of tests/failures/ into a library that can be preloaded."""
    target = os.path.join(folder, source + ".so")
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    subprocess.run([*compiler, "-x", *language, "-shared", "-fPIC", "-O1", "-o", target, os.path.join(SOURCES, source),
                    "-ldl"], check=True)
    return target


class FailureTest(QuickTest):
    @classmethod
    def setUpClass(cls):
        tools = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tools.cleanup)
        cls.writes = shared_object(tools.name, "failing_writes.c", ["c"])
        cls.memory = shared_object(tools.name, "failing_memory.cpp", ["c++", "-std=c++17"])
        for preload in (cls.writes, cls.memory):   # under a sanitizer, nothing may come before it
            result = subprocess.run([cls.program, "--version"], env={**os.environ, "LD_PRELOAD": preload},
                                    capture_output=True)
            if result.returncode != 0:
                raise unittest.SkipTest("this build takes no preloaded library")

    def setUp(self):
        super().setUp()
        for name in ("sub", "elsewhere"):
            os.mkdir(self.path(name))
        self.out = self.path("sub/out.png")

    def command(self, *more):
        return [self.program, self.content, self.style, "-o", self.out, *FAST, *ONE_LAYER, "-q", "--overwrite", *more]

    def run_with(self, preload, command, **settings):
        environment = {**os.environ, "LD_PRELOAD": preload, "TMPDIR": self.path("elsewhere"),
                       "XDG_STATE_HOME": self.path("elsewhere"), "OPENBLAS_NUM_THREADS": "1"}
        environment.update({name: str(value) for name, value in settings.items()})
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def files(self, folder="sub"):
        found = {}
        for place, _, names in os.walk(self.path(folder)):
            for name in names:
                with open(os.path.join(place, name), "rb") as f:
                    found[os.path.relpath(os.path.join(place, name), self.path(folder))] = f.read()
        return found

    def assert_whole(self, files, leftovers=0):
        """Every picture old or new, every line of a log complete."""
        for name, data in files.items():
            if name.startswith(".swag-"):
                leftovers -= 1
                self.assertGreaterEqual(leftovers, 0, files.keys())
            elif name.endswith(".png") and data != OLD:
                self.assertEqual(decode_png(data)[2], 3)
            elif name == "log" and data:
                self.assertTrue(data.endswith(b"}\n"), data)

    def assert_lines(self, result, most=1):
        lines = result.stderr.splitlines()
        self.assertTrue(all(line.startswith("swag: ") for line in lines), result.stderr)
        self.assertLessEqual(len(lines), most, result.stderr)
        self.assertEqual(result.returncode == 0, not lines, result.stderr)


class Killed(FailureTest):
    def kill_at_random_moments(self, times, **environment):
        command = self.command("--save-every", "1", "--iterations", "1000", "--init", "random", "--log",
                               self.path("sub/log"))
        for name in ("out.png", "out-0002.png"):
            self.write(os.path.join("sub", name), OLD)
        moments, left = random.Random(7), 0
        for _ in range(times):
            process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
            time.sleep(moments.uniform(0.02, 0.3))
            process.kill()
            process.wait()
            files = {name: data for name, data in self.files().items() if name != "log"}
            self.assert_whole(files, leftovers=1)
            left += any(name.startswith(".swag-") for name in files)
            for name in files:   # the next round makes its own
                if name.startswith("out-"):
                    os.remove(self.path(os.path.join("sub", name)))
        self.assertEqual(self.files()["out.png"], OLD)
        self.swag(*self.command())
        self.assert_whole(self.files())
        return left

    def test_killed_at_any_moment(self):
        self.kill_at_random_moments(200 if ALL else 10)

    def test_killed_where_every_file_has_a_name(self):
        unnamed = {"LD_PRELOAD": self.writes, "FAIL_UNDER": self.path("sub"), "FAIL_UNNAMED": "1", "FAIL_SHORT": "500"}
        self.kill_at_random_moments(200 if ALL else 10, **unnamed)


class FullDisk(FailureTest):
    def fail_at(self, call, number, on, old, **more):
        """One run whose call fails; False when it had fewer calls."""
        for folder in ("sub", "elsewhere"):
            shutil.rmtree(self.path(folder))
            os.mkdir(self.path(folder))
        names = ("out.png", "out-0001.png", "out-0002.png", "grid.png")
        for name in names if old else ():
            self.write(os.path.join("sub", name), OLD)
        mark = self.path("mark")
        if os.path.exists(mark):
            os.remove(mark)
        command = self.command("--save-every", "1", "--grid", self.path("sub/grid.png"), "--log", self.path("sub/log"))
        result = self.run_with(self.writes, command, FAIL_UNDER=self.path("sub"), FAIL_CALL=call, FAIL_ERRNO=number,
                               FAIL_ON=int(on), FAIL_MARK=mark, **more)
        files, elsewhere = self.files(), self.files("elsewhere")
        self.assertIn(result.returncode, (0, OUTPUT), result.stderr)
        self.assert_whole(files)
        self.assert_whole(elsewhere)
        if result.returncode == 0:
            self.assertEqual(result.stderr, "")
            self.assertEqual(set(files), {*names, "log"})
            self.assertNotIn(OLD, files.values())
        else:
            self.assert_lines(result, most=4 if on else 1)   # a log, pictures on the way, the picture, a grid
            if call <= 4 * len(names):
                self.assertIn(os.strerror(number), result.stderr)
            pictures = [files.get("out.png"), files.get("out-rescued.png"), *elsewhere.values()]
            self.assertTrue(any(p not in (None, OLD) for p in pictures), "the picture is lost: " + result.stderr)
        return os.path.exists(mark)

    def fail_everywhere(self, number, on, old, step=1, **more):
        call = 1
        while self.fail_at(call, number, on, old, **more):
            call += step
        self.assertGreater(call, 15)

    def test_every_call_fails_once(self):
        for number in (errno.ENOSPC, errno.EIO, errno.EDQUOT) if ALL else (errno.ENOSPC,):
            for old in (False, True):
                with self.subTest(errno=number, old=old):
                    self.fail_everywhere(number, False, old)

    def test_every_call_fails_once_where_every_file_has_a_name(self):
        for old in (False, True) if ALL else (True,):
            self.fail_everywhere(errno.EIO, False, old, step=1 if ALL else 3, FAIL_UNNAMED=1)

    def test_every_call_fails_from_one_on(self):
        for old in (False, True):
            self.fail_everywhere(errno.ENOSPC, True, old, step=1 if ALL else 3)

    def test_writes_that_take_a_part(self):
        self.assertFalse(self.fail_at(0, 0, False, True, FAIL_SHORT=100))
        self.fail_everywhere(errno.ENOSPC, True, True, step=5 if ALL else 37, FAIL_SHORT=1000)

    @unittest.skipIf(os.geteuid() != 0, "only root can mount a file system")
    def test_a_disk_that_is_too_small(self):
        for kilobytes in (4, 8, 16, 32):
            mount = "mount -t tmpfs -o size=%dk tmpfs %s" % (kilobytes, self.path("sub"))
            if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
                self.skipTest("nothing can be mounted here")
            shutil.rmtree(self.path("elsewhere"))
            os.mkdir(self.path("elsewhere"))
            run = shlex.join(self.command("--size", "64"))
            if kilobytes == 4:   # 64x48 pixels may take more than there is, and that is told before
                loud = self.run_with("", ["unshare", "-m", "sh", "-c", "%s && %s -v" % (mount, run.replace(" -q ", " "))])
                self.assertRegex(loud.stderr, "(?m)^swag: warning: .*out.png: the disk has 0 MiB left")
                shutil.rmtree(self.path("elsewhere"))
                os.mkdir(self.path("elsewhere"))
            listing = "ls -A " + shlex.quote(self.path("sub"))
            result = self.run_with("", ["unshare", "-m", "sh", "-c", "%s && { %s; code=$?; %s; exit $code; }" % (
                mount, run, listing)])
            self.assert_lines(result)
            if result.returncode == 0:
                self.assertEqual((result.stdout.split(), self.files("elsewhere")), (["out.png"], {}))
            else:
                self.assertEqual((result.returncode, result.stdout), (OUTPUT, ""), result.stderr)
                self.assertIn(os.strerror(errno.ENOSPC), result.stderr)
                self.assertEqual(len(self.files("elsewhere")), 1)
                self.assert_whole(self.files("elsewhere"))


class OutOfMemory(FailureTest):
    def count(self, command, smallest):
        """How many allocations of at least so many bytes a run makes."""
        result = self.run_with(self.memory, command, FAIL_FROM=smallest, FAIL_COUNT=self.path("count"))
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("count")) as f:
            return int(f.read())

    def assert_survived(self, command, call, smallest, on):
        self.write("sub/out.png", OLD)
        result = self.run_with(self.memory, command, FAIL_CALL=call, FAIL_FROM=smallest, FAIL_ON=int(on))
        if "nlohmann" in result.stderr:   # an assertion in a constructor of the JSON library, which we cannot mend
            return
        self.assertIn(result.returncode, (0, MEMORY, OUTPUT), (call, result.stderr))
        self.assert_lines(result, most=2 if on else 1)   # of a picture on the way, then of the run
        if result.returncode == MEMORY:
            self.assertRegex(result.stderr, r"memory|MiB")
        self.assert_whole(self.files())

    def fail_allocations(self, smallest, on, most):
        command = self.command("--threads", "1", "--save-every", "2", "--grid", self.path("sub/grid.png"))
        count = self.count(command, smallest)
        self.assertGreater(count, 20)
        calls = range(1, count + 1)
        if not ALL and count > most:
            calls = sorted(random.Random(count).sample(calls, most))
        for call in calls if not ALL else calls[::max(1, count // 2000)]:
            with self.subTest(call=call, smallest=smallest, on=on):
                self.assert_survived(command, call, smallest, on)

    def test_any_allocation_fails(self):
        self.fail_allocations(0, False, 25)

    def test_large_allocations_fail(self):
        self.fail_allocations(4096, False, 15)

    def test_there_is_no_large_memory_from_some_time_on(self):
        self.fail_allocations(16384, True, 10)


if __name__ == "__main__":
    cli_case.main("build/swag")
