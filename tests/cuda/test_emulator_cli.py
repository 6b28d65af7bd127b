#!/usr/bin/env python3
"""The program whose CUDA kernels run on the emulator, as a user of a GPU would call it.

    make emulator && python3 tests/cuda/test_emulator_cli.py build/emulator/swag

Needs the standard library alone.
"""
import json
import math
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "cli"))
import cli_case  # noqa: E402
from cli_case import DEVICE, MEMORY, USAGE, CliTest  # noqa: E402
from cli_files import decode_png, png  # noqa: E402

FINDINGS = 1
# Tensor cores take the emulator ten times as long.
EMULATOR = ["--device", "emulator", "--precision", "single"]
# Every kind of layer, and few of them: a check takes its time.
SHALLOW = ["--network", "resnet18", "--style-layers", "conv1,layer2", "--content-layers", "layer1"]


def tensors(data):
    """name -> values of a safetensors file with float64 tensors"""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    result = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            result[name] = struct.unpack(f"<{(end - begin) // 8}d", data[8 + size + begin:8 + size + end])
    return result


def relative_error(actual, expected):
    difference = math.sqrt(sum((a - e) ** 2 for a, e in zip(actual, expected)))
    return difference / math.sqrt(sum(e * e for e in expected))


class EmulatorTest(CliTest):
    def losses(self, log):
        return [json.loads(line)["loss"] for line in self.read(log).splitlines()]

    def dump(self, *arguments, code=0):
        image = self.write("image.png", png(64, 48, 3, lambda x, y: [x * y % 256, 4 * x, 255 - 5 * y]))
        result = self.swag("dump", "--network", "resnet18", "--weights", "splitmix:7",
                           "--content", self.content, "--style", self.style, "--image", image,
                           "--smoothing", "softmax", "--temperature", "auto",
                           "--out", self.path("dump.safetensors"), *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        return tensors(self.read("dump.safetensors")) if code == 0 else result


class Runs(EmulatorTest):
    def test_a_picture_like_the_one_of_the_cpu(self):
        self.stylise("--log", self.path("cpu.log"), "--iterations", 8)
        self.stylise("--log", self.path("emulator.log"), "--iterations", 8, "--overwrite", *EMULATOR)
        self.assertEqual(decode_png(self.read("out.png"))[:3], (48, 36, 3))
        cpu, emulator = min(self.losses("cpu.log")), min(self.losses("emulator.log"))
        self.assertLess(abs(emulator - cpu), 0.03 * cpu)

    def test_the_same_run_gives_the_same_bytes(self):
        # "auto" is TF32 here; every precision has other bytes.
        half = [*EMULATOR[:2], "--precision", "half"]
        pictures = []
        for options in (EMULATOR, EMULATOR[:2], half, half, EMULATOR[:2], EMULATOR):
            self.stylise("--overwrite", "--iterations", 1, "--size", 24, *options)
            pictures.append(self.read("out.png"))
        self.assertEqual(pictures[:3], pictures[:2:-1])
        self.assertEqual(len(set(pictures)), 3)

    def test_filters_are_fitted_and_scales_follow_each_other(self):
        result = self.swag(self.content, self.style, "-o", self.out, "--network", "vgg11", "--size", 64,
                           "--scales", 2, "--iterations", 2, *EMULATOR)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(decode_png(self.read("out.png"))[:3], (64, 48, 3))

    def test_an_evaluation_is_that_of_the_cpu(self):
        for words, tolerance in (([], 2e-4), (["--style-loss", "wasserstein"], 1e-3)):
            cpu, emulator = self.dump("--double-signs", *words), self.dump("--double-signs", *words, *EMULATOR)
            self.assertEqual(cpu.keys(), emulator.keys())
            for name, expected in cpu.items():
                self.assertLessEqual(relative_error(emulator[name], expected),
                                     tolerance if name == "gradient" else 1e-4, name)

    def test_bench_takes_the_time_of_the_device(self):
        result = self.swag("bench", "network", "--network", "vgg11", "--size", 32, "--repeat", 1, "--json",
                           *EMULATOR)
        self.assertEqual(result.returncode, 0, result.stderr)
        summary = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual(summary["device"], "emulator")
        self.assertGreater(summary["arena_bytes"], 0)


class Checked(EmulatorTest):
    def test_a_run_without_findings(self):
        for optimizer in ("lbfgs", "adam"):
            result = self.stylise("--iterations", 2, "--size", 32, "--optimizer", optimizer, "--tv-weight", 1,
                                  "--smoothing", "softmax", "--temperature", "auto", "--quiet", "--overwrite",
                                  "--emulator-check", *SHALLOW, *EMULATOR)
            self.assertEqual(result.stderr, "")

    def test_a_finding_is_told_and_makes_the_run_fail(self):
        for check, code in ((["--emulator-check"], FINDINGS), ([], 0)):
            result = self.swag("devices", "--emulator-plant-bug", *check)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertEqual("emulator: out of bounds in planted_bug_kernel" in result.stderr, code != 0)
            self.assertEqual("emulator: 2 findings" in result.stderr, code != 0)  # and memory is not freed


class BadInput(EmulatorTest):
    def assert_bad(self, code, *words, options=()):
        super().assert_bad(code, *words, options=[*EMULATOR, *options])

    def test_devices_says_what_there_is_and_why_not(self):
        listed = self.swag("devices").stdout
        self.assertRegex(listed, r"(?m)^cpu +cpu, \d+ thread")
        self.assertRegex(listed, r"(?m)^emulator:0 +Emulated .*compute capability 9\.0, 8\.0 GiB")
        self.assertRegex(listed, r"(?m)^cuda +- +\(it is not built in")
        listed = self.swag("devices", "--emulator-driver", "11.8").stdout
        self.assertRegex(listed, r"(?m)^emulator +- +\(the driver is for CUDA 11\.8, .* needs \d+\.\d")

    def test_a_device_that_cannot_be_used(self):
        self.assert_bad(DEVICE, "driver", "11.8", "update", options=["--emulator-driver", "11.8"])
        self.assert_bad(DEVICE, "no NVIDIA driver", options=["--emulator-driver", "0"])
        self.assert_bad(DEVICE, "no GPU", options=["--emulator-devices", "0"])
        self.assert_bad(DEVICE, "is one, 0", options=["--device", "emulator:1"])
        self.assert_bad(DEVICE, "test build", options=["--device", "cuda"])

    def test_auto_is_the_cpu_where_there_is_no_gpu(self):
        self.stylise("--device", "auto", "--emulator-devices", "0")

    def test_memory_that_is_not_enough(self):
        # In the order of a run: the network's weights, what an image of that size needs, and just enough.
        self.assert_bad(MEMORY, "MiB", "emulator", options=["--emulator-memory", "0"])
        self.assert_bad(MEMORY, "MiB", "emulator", options=["--emulator-memory", "48"])
        self.assert_bad(MEMORY, "largest --size", options=["--emulator-memory", "200", "--size", "2000"])
        self.dump("--emulator-memory", "20", *EMULATOR, code=MEMORY)

    def test_double_precision_is_for_the_cpu(self):
        self.assert_bad(USAGE, "--device cpu", options=["--precision", "double"])

    def test_options_of_the_emulator(self):
        self.assert_bad(USAGE, "--emulator-memory", options=["--emulator-memory", "much"])
        self.assert_bad(USAGE, "--emulator-memory", options=["--emulator-memory"])
        self.assert_bad(USAGE, "--emulator-colour", options=["--emulator-colour"])


class Launches(EmulatorTest):
    """launch_list, which stands beside the program."""

    def listed(self, *arguments, code=0):
        program = os.path.join(os.path.dirname(CliTest.program), "launch_list")
        result = subprocess.run([program, *arguments], capture_output=True, text=True)
        self.assertEqual(result.returncode, code, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()] if code == 0 else result.stderr

    def test_every_product_of_a_convolution_is_in_its_launches(self):
        for arch, more in (("sm_80", []), ("sm_90", ["tf32+wgmma", "half+wgmma"])):
            for op in self.listed(arch, *(f"resnet18:64:{precision}" for precision in ["single", "tf32", "half", *more])):
                with self.subTest(arch=arch, precision=op["precision"], op=op["op"], shape=op["shape"]):
                    self.assertTrue(op["launches"])
                    numbers = [int(text) for text in re.findall(r"\d+", op["shape"])]
                    if not op["op"].startswith("conv2d"):
                        continue
                    _, _, c_in, h, w, c_out, kh, kw = numbers[:8]
                    products = h * w * c_out * c_in * kh * kw
                    listed = sum(blocks * work for launch in op["launches"] for blocks, work in launch.get("parts", []))
                    self.assertGreaterEqual(listed, products)
                    # A map of 2 x 2 in a tile of 4 x 16, or of 8 x 16.
                    self.assertLessEqual(listed, (32 if "wgmma" in op["precision"] else 16) * products)
                    for launch in op["launches"]:
                        blocks = sum(blocks for blocks, _ in launch.get("parts", []))
                        self.assertLessEqual(blocks, math.prod(launch["grid"]))  # phases have fewer than the longest

    def test_tensor_cores_have_what_the_precision_says(self):
        for precision, unit in [("single", "float"), ("tf32", "tensor"), ("half", "tensor"), ("tf32+wgmma", "wgmma"), ("half+wgmma", "wgmma")]:
            ops = self.listed("sm_90", f"resnet18:64:{precision}")
            with self.subTest(precision=precision):
                # Those of the image are the float units' in every precision. What is prepared in single precision is not listed.
                self.assertEqual({launch["unit"] for op in ops for launch in op["launches"]
                                  if op["op"].startswith("conv2d") and not op["shape"].startswith("64x64x3 ")} - {"none"}, {unit})
                self.assertEqual(sum(op["op"] == "conv2d_forward" and op["shape"].startswith("64x64x3 ") for op in ops), 1)

    def test_half_moves_half_of_the_bytes(self):
        tf32, half = ({(op["op"], op["shape"]): sum(launch["bytes"] for launch in op["launches"])
                       for op in self.listed("sm_90", f"resnet18:64:{precision}")} for precision in ("tf32", "half"))
        self.assertEqual(tf32.keys(), half.keys())
        for (op, shape), moved in tf32.items():
            if op.startswith("conv2d") and not shape.startswith("64x64x3 ") or op == "add_forward":
                self.assertAlmostEqual(half[op, shape] / moved, 0.5, delta=0.02, msg=f"{op}, {shape}")  # masks are as large

    def test_every_kernel_that_multiplies_has_a_recorded_loop(self):
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "results", "kernel_loops.json"), encoding="utf-8") as file:
            loops = json.load(file)
        for arch, more in (("sm_80", []), ("sm_89", []), ("sm_90", ["tf32+wgmma", "half+wgmma"])):
            # Large maps have the large tiles, small ones the others.
            subjects = [f"{subject}:{precision}" for precision in ["tf32", "half", *more] for subject in ("vgg19:512", "resnet50:64")]
            subjects.append("resnet50:64:single")
            multiply = {launch["kernel"] for op in self.listed(arch, *subjects) for launch in op["launches"]
                        if launch["unit"] in ("float", "tensor", "wgmma")}
            self.assertEqual(sorted(multiply - loops[arch].keys()), [], f"{arch}: renamed or new: make kernel-loops")

    def test_what_is_not_understood_is_one_line(self):
        self.assertIn("expected NETWORK:SIZE:PRECISION", self.listed("sm_90", "vgg19:64", code=1))
        self.assertIn("sm_1", self.listed("sm_1", "vgg19:64:tf32", code=1))
        self.assertIn("sm_80 has no wgmma", self.listed("sm_80", "vgg19:64:half+wgmma", code=1))
        self.assertIn("half+wgmmas", self.listed("sm_90", "vgg19:64:half+wgmmas", code=1))


if __name__ == "__main__":
    cli_case.main("build/emulator/swag")
