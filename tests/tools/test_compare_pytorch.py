#!/usr/bin/env python3
"""Tests of tools/compare_pytorch.py with a swag and a PyTorch that answer at once.

    python3 tests/tools/test_compare_pytorch.py
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "compare_pytorch.py"

# Appends its words to calls.txt, and answers from answers.json by the words that the key is made of.
FAKE = """#!{python}
import json, pathlib, sys
folder, name = pathlib.Path(__file__).parent, pathlib.Path(__file__).name
words = sys.argv[1:]
with open(folder / "calls.txt", "a") as calls:
    calls.write(" ".join([name] + words) + "\\n")
answers = json.loads((folder / "answers.json").read_text())[name]
lines = next(lines for key, lines in answers.items() if set(key.split()) <= set(words))
if lines == "fail":
    sys.exit("it failed")
if name == "torch" and "convolutions" in words:
    (folder / "shapes.json").write_text(sys.stdin.read())
if "--log" in words:
    pathlib.Path(words[words.index("--log") + 1]).write_text("".join(json.dumps(line) + "\\n" for line in lines))
for line in lines:
    print(json.dumps(line))
"""


def swag_curve(*losses):
    return [{"seconds": 10 + i, "loss": loss} for i, loss in enumerate(losses)]


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("swag", "torch"):
            path = self.folder / name
            path.write_text(FAKE.format(python=sys.executable))
            path.chmod(0o755)

    def compare(self, answers, *words, status=0):
        (self.folder / "answers.json").write_text(json.dumps(answers))
        result = subprocess.run([sys.executable, str(TOOL), *words, "--swag", str(self.folder / "swag"),
                                 "--torch", f"newest={self.folder / 'torch'}", "--threads", "2",
                                 "--json", str(self.folder / "rows.json")],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, status, result.stderr)
        self.output, self.errors = result.stdout, result.stderr
        path = self.folder / "calls.txt"
        self.calls = path.read_text().splitlines() if path.exists() else []
        return json.loads((self.folder / "rows.json").read_text()) if status == 0 else None

    def test_evaluations_alternate_and_give_ratios_of_medians(self):
        rows = self.compare({
            "swag": {"bench network": [{"ms": 9}, {"ms": 10}, {"ms": 14}, {"peak_bytes": 2 << 20}]},
            "torch": {"--channels-last": [{"version": "9.8", "ms": [15, 16, 15], "peak_bytes": 8 << 20}],
                      "evaluation": [{"version": "9.8", "ms": [30, 25, 25], "peak_bytes": 6 << 20}]},
        }, "evaluation", "--networks", "vgg19", "--size", "64", "--rounds", "2", "--variants", "plain,channels_last+half")
        self.assertEqual([row["side"] for row in rows], ["swag", "PyTorch 9.8, plain", "PyTorch 9.8, channels last, half"])
        self.assertEqual([row["times_swag"] for row in rows], [[1, 1], [2.5, 2.5], [1.5, 1.5]])
        self.assertEqual([row["median_ms"] for row in rows], [10, 25, 15])
        self.assertEqual([row["peak_bytes"] >> 20 for row in rows], [2, 6, 8])
        self.assertEqual([call.split()[0] for call in self.calls], ["swag", "torch", "torch"] * 2)
        self.assertIn("--channels-last --precision half", self.calls[2])
        self.assertNotIn("--precision", self.calls[1])
        self.assertIn("2.50 (2.50-2.50) x swag", self.output)

    def test_runs_are_timed_to_the_loss_that_both_reach(self):
        rows = self.compare({
            "swag": {"--log": swag_curve(9, 5, 3, 4, 1)},
            "torch": {"pictures": [], "run": [{"version": "9.8", "curve": [[0, 9], [4, 6], [8, 3.5], [12, 3], [16, 3.2]]}]},
        }, "run", "--networks", "vgg19", "--size", "64", "--variants", "plain", "--iterations", "4")
        self.assertEqual(rows[0]["lowest_loss"], [1, 3])
        self.assertEqual(rows[0]["loss"], 3)
        self.assertEqual(rows[0]["seconds"], [2, 12])
        self.assertEqual(rows[0]["times_swag"], 6)
        self.assertEqual(rows[0]["evaluations"], [5, 5])

    def test_convolutions_of_ours_are_theirs_too(self):
        shape = "16x24x64 to 8x12x128, 3x5, stride 2x2, pad 1x2"
        rows = self.compare({
            "swag": {"bench ops": [{"op": "conv2d_forward", "shape": shape, "calls": 2, "ms": 1.5},
                                   {"op": "relu_backward", "shape": "8x8x8", "calls": 1, "ms": 1},
                                   {"op": "conv2d_backward_data", "shape": shape, "calls": 1, "ms": 2}, {"peak": 1}]},
            "torch": {"convolutions": [{"version": "9.8", "ms": [3, 5]}]},
        }, "convolutions", "--networks", "resnet50", "--size", "64", "--variants", "plain")
        self.assertEqual([row["PyTorch 9.8, plain"] for row in rows], [3, 5])
        self.assertIn("swag 5.000 ms, PyTorch 11.000 ms, 2.20 x swag", self.output)
        asked = json.loads((self.folder / "shapes.json").read_text())
        self.assertEqual(asked[1], {"h": 16, "w": 24, "c_in": 64, "c_out": 128, "kh": 3, "kw": 5, "stride": [2, 2],
                                    "pad": [1, 2], "direction": "backward_data"})

    def test_a_side_that_fails_ends_the_comparison_with_a_line(self):
        self.compare({"swag": {"bench network": "fail"}, "torch": {}}, "evaluation", "--networks", "vgg19", status=1)
        self.assertTrue(self.errors.splitlines()[-1].startswith("compare_pytorch.py: "), self.errors)
        self.assertNotIn("Traceback", self.errors)
        os.remove(self.folder / "swag")
        self.compare({}, "evaluation", "--networks", "vgg19", status=1)
        self.assertNotIn("Traceback", self.errors)


if __name__ == "__main__":
    unittest.main()
