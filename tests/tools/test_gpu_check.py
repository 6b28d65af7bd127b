#!/usr/bin/env python3
"""Tests of tools/gpu_check.sh in a tree of its own, where `make` and the programs that it builds are scripts.

    python3 tests/tools/test_gpu_check.py
"""
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class GpuCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = pathlib.Path(folder.name)
        (self.tree / "tools").mkdir()
        (self.tree / "programs").mkdir()
        for tool in ("gpu_check.sh", "cuda_toolkit.sh"):
            shutil.copy(ROOT / "tools" / tool, self.tree / "tools")
        self.script("programs/make", "exit 0")
        self.script("build/emulator/ladder", "exit 0")

    def script(self, path, text):
        path = self.tree / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def check(self, *words, status=0, **variables):
        environment = dict(os.environ, PATH=f"{self.tree / 'programs'}:{os.environ['PATH']}", **variables)
        result = subprocess.run(["bash", str(self.tree / "tools" / "gpu_check.sh"), *words], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.output, self.errors = result.stdout, result.stderr

    def lines(self, path=None):
        path = path or next(self.tree.glob("build/gpu_check/*/results.jsonl"))
        return [json.loads(line) for line in path.read_text().splitlines()]

    def parts(self):
        return {line["part"]: line["status"] for line in self.lines() if "status" in line}

    def figures(self, part):
        return [line for line in self.lines() if line.get("part") == part and "status" not in line]

    def test_mistakes_are_one_line(self):
        for words in (["--what"], ["no_such_part"]):
            self.check(*words, status=2)
            self.assertEqual(len(self.errors.splitlines()), 1)
        self.script("programs/nvidia-smi", "exit 1")
        self.check("tests", status=5)
        self.assertIn("there is no GPU here", self.errors)

    def test_what_passed_is_not_repeated_and_what_failed_is(self):
        self.script("programs/make", "echo an error of the compiler; exit 2")
        self.check("--emulator", "ready", "ladder", "racecheck", status=1)
        self.assertIn("FAILED     ready", self.output)
        self.assertIn("an error of the compiler", self.output)  # the end of the log
        self.assertIn("passed     ladder", self.output)
        self.assertIn("skipped    racecheck", self.output)
        self.assertEqual(self.parts(), {"ready": "FAILED", "ladder": "passed", "racecheck": "skipped"})

        self.script("programs/make", "exit 0")
        self.script("build/emulator/cuda_backend_tests", "exit 3")
        self.check("--emulator", status=1)  # all that have not passed: the programs of these are not there
        self.assertIn("passed     ready", self.output)
        self.assertIn("FAILED     tests", self.output)
        self.assertNotIn("ladder", self.output)
        self.assertNotIn("racecheck", self.output)
        self.assertEqual(self.parts()["ready"], "passed")
        self.assertIn("machine", self.lines()[0])
        self.assertEqual(sum("machine" in line for line in self.lines()), 1)

    def test_figures_are_kept_as_soon_as_they_are_known(self):
        self.script("build/emulator/swag", """echo '{"op":"add_forward","ms":0.5}'; echo words; echo '{"op":"scale","ms":0.25}'; exec sleep 60""")
        self.script("programs/timeout", 'shift 3; exec /usr/bin/timeout -k 5 1 "$@"')
        out = self.tree / "out"
        out.mkdir()
        self.check("--emulator", "ops_vgg19", status=1, OUT=str(out))
        expected = [{"part": "ops_vgg19", "op": "add_forward", "ms": 0.5}, {"part": "ops_vgg19", "op": "scale", "ms": 0.25}]
        self.assertEqual(self.figures("ops_vgg19"), expected)
        self.assertEqual(self.parts(), {"ops_vgg19": "unfinished"})
        self.assertEqual(self.lines(out / "results.jsonl"), self.lines())
        self.assertEqual(self.lines()[0]["machine"]["device"], "emulator")
        self.assertIn("words", (out / "logs.txt").read_text())

        self.script("build/emulator/swag", """echo '{"op":"scale","ms":0.125}'""")
        self.check("--emulator", "ops_vgg19", OUT=str(out))  # what is known already goes along
        self.assertEqual(self.lines(out / "results.jsonl"), self.lines())
        self.assertEqual(self.figures("ops_vgg19")[2:], 3 * [{"part": "ops_vgg19", "op": "scale", "ms": 0.125}])  # in each mode

    def test_what_was_brought_along_is_not_built(self):
        self.script("programs/nvidia-smi", "case $* in *compute_cap*) echo 9.0;; *) echo Some GPU;; esac")
        self.script("programs/make", "echo built >> made; touch build/here")
        self.script("build/swag", 'case $1 in devices) echo "cuda:0      Some GPU";; esac')
        self.script("build/cuda/gpu_tests", "exit 0")
        self.script("build/cuda/limits", "exit 0")
        self.check("ready")
        self.assertFalse((self.tree / "made").exists())
        # The same from the file that --bring makes, which is newer than what is there.
        with tarfile.open(self.tree / "build/brought.tar.xz", "w:xz") as brought:
            for name in ("swag", "cuda/gpu_tests", "cuda/limits"):
                brought.add(self.tree / "build" / name, name)
                (self.tree / "build" / name).unlink()
        self.check("ready")
        self.assertFalse((self.tree / "made").exists())
        self.script("build/swag", 'case $1 in devices) [ -e build/here ] && echo "cuda:0      Some GPU";; esac')
        self.script("programs/nvcc", "exit 0")
        self.script("programs/g++", """echo '# 1 "/usr/include/doctest/doctest.h"'""")
        self.check("ready")
        self.assertTrue((self.tree / "made").exists())
        (self.tree / "build/here").unlink()
        self.script("programs/make", "exit 0")
        self.check("ready", status=1)  # built, and still no GPU is seen

    def test_wgmma_is_measured_where_its_instructions_are_right(self):
        self.script("build/emulator/swag", """while [ "$1" != --precision ]; do shift; done
echo "{\\"precision\\": \\"$2\\", \\"wgmma\\": $SWAG_WGMMA}" """)
        self.script("build/emulator/limits", """echo '{"instruction": "box", "wrong": 7}'; exit 1""")
        self.check("--emulator", "instructions", "alive", status=1)
        self.assertEqual(self.parts(), {"instructions": "FAILED", "alive": "passed"})
        self.assertEqual(self.figures("instructions"), [{"part": "instructions", "instruction": "box", "wrong": 7}])
        modes = [(line["precision"], line["wgmma"], line.get("kernels")) for line in self.figures("alive")]
        self.assertEqual(modes, 3 * [("single", 0, None), ("tf32", 0, None), ("half", 0, None)])
        self.script("build/emulator/ladder", """echo "{\\"arguments\\": \\"$*\\"}" """)
        self.check("--emulator", "ladder")
        self.assertEqual([line["arguments"] for line in self.figures("ladder")], [""])

        self.script("build/emulator/limits", """[ "$*" = --instructions ] && echo '{"instruction": "box", "wrong": 0}'""")
        self.check("--emulator", "instructions", "alive")
        modes = [(line["precision"], line["wgmma"], line.get("kernels")) for line in self.figures("alive")[len(modes):]]
        self.assertEqual(modes, 3 * [("single", 0, None), ("tf32", 0, None), ("half", 0, None), ("tf32", 1, "wgmma"),
                                     ("half", 1, "wgmma")])
        self.check("--emulator", "ladder")
        self.assertEqual([line["arguments"] for line in self.figures("ladder")[1:]],
                         ["", "--hopper --step conv2d_8_wgmma"])

    def test_wgmma_is_not_tried_on_other_gpus(self):
        self.script("programs/nvidia-smi", "case $* in *compute_cap*) echo 8.0;; *) echo Some GPU;; esac")
        self.check("instructions")
        self.assertEqual(self.parts(), {"instructions": "skipped"})

    def test_losses_that_do_not_agree_fail(self):
        losses = 'while [ "$1" != --log ]; do [ "$1" = --device ] && device=$2; shift; done\n' \
                 '[ $device = cpu ] && loss=100 || loss=%s\n' \
                 'echo "{\\"loss\\": 500}" > "$2"; echo "{\\"loss\\": $loss}" >> "$2"'
        self.script("build/emulator/swag", losses % 102)
        self.check("--emulator", "agreement")
        self.assertEqual(self.figures("agreement")[0],
                         {"part": "agreement", "network": "vgg19", "precision": "single", "cpu": 100, "device": 102, "ratio": 1.02})
        self.assertEqual([line["precision"] for line in self.figures("agreement")], ["single", "tf32", "half"] * 2)
        self.script("build/emulator/swag", losses % 96)
        self.check("--emulator", "agreement", status=1)
        self.script("build/emulator/swag", losses % "NaN")
        self.check("--emulator", "agreement", status=1)

    def test_a_part_without_time_waits(self):
        self.check("--emulator", "ladder", status=1, MINUTES="0")
        self.assertIn("later   ladder", self.output)
        self.script("build/emulator/ladder", "exec sleep 60")
        self.script("programs/timeout", 'shift 3; exec /usr/bin/timeout -k 5 1 "$@"')
        self.check("--emulator", "ladder", status=1)
        self.assertIn("unfinished ladder", self.output)


if __name__ == "__main__":
    unittest.main()
