#!/usr/bin/env python3
"""Tests of tools/gpu_report.py.

    python3 tests/tools/test_gpu_report.py
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / "tools" / "gpu_report.py"
PREDICTED = json.loads((ROOT / "docs" / "results" / "predictions.json").read_text())["H100"]

LINES = [
    {"machine": {"date": "2026-01-02", "device": "cuda", "commit": "0123456789abcdef", "changed": True, "nvcc": "", "torch": "2.9",
                 "cudnn": "9.1", "gpu": {"name": "NVIDIA H100", "driver_version": "580"}}},
    {"part": "alive", "network": "vgg19", "size": 512, "style_loss": "gram", "ms_median": 10.0},
    {"part": "alive", "network": "vgg19", "size": 512, "style_loss": "gram", "precision": "tf32", "ms_median": 2.5},
    {"part": "alive", "kernels": "wgmma", "network": "vgg19", "size": 512, "style_loss": "gram", "precision": "tf32", "ms_median": 3.0},
    {"part": "alive", "network": "vgg19", "size": 512, "style_loss": "wasserstein", "ms_median": 11.0},
    {"part": "pytorch_vgg19", "network": "vgg19", "size": 512, "style_loss": "gram", "ms_median": 12.0},
    {"part": "pytorch_vgg19", "network": "vgg19", "size": 512, "variant": "channels_last+half", "way": "graph", "ms_median": 5.5},
    {"part": "pytorch_vgg19", "network": "vgg19", "size": 512, "variant": "plain", "error": "out of memory"},
    {"part": "ops_vgg19", "op": "conv2d_forward", "shape": "small", "calls": 4, "ms": 0.5},
    {"part": "ops_vgg19", "op": "relu_forward", "shape": "large", "calls": 1, "ms": 6.0},
    {"part": "convolutions_vgg19", "network": "vgg19", "size": 512, "side": "PyTorch 2.9, half", "calls": 2, "swag_ms": 1.0, "ms": 0.5},
    {"part": "convolutions_vgg19", "network": "vgg19", "size": 512, "side": "PyTorch 2.9, half", "calls": 1, "swag_ms": 2.0, "ms": 1.0},
    {"part": "limits", "limit": "copy", "value": 2987.6, "unit": "GB/s"},
    {"part": "agreement", "network": "vgg19", "cpu": 2.0, "device": 2.02, "ratio": 1.01},
    {"part": "tests", "status": "FAILED", "seconds": 31},
    {"part": "tests", "status": "passed", "seconds": 29},
]


class Report(unittest.TestCase):
    def report(self, text, status=0):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.jsonl"
            path.write_text(text)
            result = subprocess.run([sys.executable, str(TOOL), str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout

    def test_every_figure_has_its_row(self):
        text = self.report("".join(json.dumps(line) + "\n" for line in LINES) + '{"part": "run_vgg19", "cut of')
        for row in ("NVIDIA H100, driver 580, 2026-01-02, commit 0123456789ab with changes; PyTorch 2.9, cuDNN 9.1.",
                    f"| vgg19 | 512 | swag, single | 11.000 | {PREDICTED['vgg19:512:single']} | 4.40 |",  # the median of both
                    f"| vgg19 | 512 | swag, tf32 | 2.500 | {PREDICTED['vgg19:512:tf32']} | 1.00 |",
                    f"| vgg19 | 512 | swag, tf32 by wgmma | 3.000 | {PREDICTED['vgg19:512:tf32+wgmma']} | 1.20 |",
                    "| vgg19 | 512 | swag, single, wasserstein | 11.000 |  |  |",
                    "| vgg19 | 512 | PyTorch, channels last, half, graph | 5.500 |  | 2.20 |",
                    "| vgg19 | 512 | PyTorch 2.9, half | 4.000 | 2.000 | 0.50 |",
                    "| copy | 2988 | GB/s |",
                    "| vgg19 | single | 2.0 | 2.02 | 1.0100 |",
                    "| tests | passed | 29 s |",
                    "| pytorch_vgg19 | plain | out of memory |"):
            self.assertIn(row, text.splitlines())
        ops = [line for line in text.splitlines() if line.startswith(("| relu_forward", "| conv2d_forward"))]
        self.assertEqual(ops, ["| relu_forward | large | 1 | 6000.0 | 75.0 % |", "| conv2d_forward | small | 4 | 500.0 | 25.0 % |"])

    def test_what_was_not_measured_is_not_there(self):
        text = self.report(json.dumps(LINES[0]) + "\n")
        self.assertNotIn("##", text)

    def test_a_gpu_that_the_model_does_not_know_has_no_predictions(self):
        machine = {"machine": {**LINES[0]["machine"], "gpu": {"name": "Some GPU", "driver_version": "580"}}}
        text = self.report("".join(json.dumps(line) + "\n" for line in [machine, *LINES[1:]]))
        self.assertIn("| vgg19 | 512 | swag, single | 11.000 |  | 4.40 |", text.splitlines())

    def test_a_file_that_is_not_there_is_one_line(self):
        result = subprocess.run([sys.executable, str(TOOL), "/no/such/file"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((result.returncode, len(result.stderr.splitlines())), (1, 1))


if __name__ == "__main__":
    unittest.main()
