#!/usr/bin/env python3
"""Every way to get the program's use wrong: one clear line, the right exit code, before long work.

    python3 tests/cli/test_cli_mistakes.py build/swag

Needs the standard library alone.
"""
import os
import shutil
import struct
import subprocess
import unittest

import cli_case
from cli_case import DEVICE, FAST, IMAGE, MEMORY, OUTPUT, USAGE, WEIGHTS, CliTest
from cli_files import png, safetensors


class Mistakes(CliTest):
    def test_no_arguments(self):
        self.assert_mistake(USAGE, [], "swag CONTENT STYLE")
        self.assert_mistake(USAGE, [self.content], "style")
        self.assert_mistake(USAGE, [self.content, self.style], "-o")
        self.assert_mistake(USAGE, [self.content, self.style, "-o", self.out, "--colour"], "--colour")

    def test_what_clean_pictures_take_is_refused_where_it_cannot_be(self):
        self.assert_bad(USAGE, "--style-loss", "'swd'", "gram, wasserstein", options=["--style-loss", "swd"])
        self.assert_bad(USAGE, "--average", "'1'", options=["--average", "1"])
        self.assert_bad(USAGE, "--scale-factor", options=["--scale-factor", "1"])
        self.assert_bad(USAGE, "--clamp", "adam", options=["--clamp", "on"])
        self.assert_bad(USAGE, "--clamp", "'yes'", options=["--clamp", "yes"])
        self.assert_bad(USAGE, "--padding", "zeros, replicate", options=["--padding", "reflect"])
        self.assert_bad(USAGE, "--resample", "lanczos, bicubic", options=["--resample", "nearest"])
        self.assert_bad(USAGE, "--tv-stencil", "nine-point", options=["--tv-stencil", "9"])

    def test_numbers_are_read_strictly(self):
        options = {"--style-weight": "from 0", "--content-weight": "from 0", "--tv-weight": "from 0",
                   "--style-scale": "above 0", "--temperature": "above 0", "--entropy": "below 1",
                   "--learning-rate": "above 0", "--iterations": "whole number", "--history": "from 1",
                   "--scales": "from 1 to 20", "--scale-factor": "above 1 and up to 16", "--threads": "from 0",
                   "--average": "from 0 to below 1", "--min-scale": "from 1", "--initial-iterations": "whole number",
                   "--seed": "from 0", "--save-every": "from 1", "--jpeg-quality": "to 100"}
        for option, allowed in options.items():
            for value in ("12junk", "nan", "inf", "-1", "1e999", "", " 3", "0x10"):
                with self.subTest(option=option, value=value):
                    self.assert_bad(USAGE, option, allowed, "'%s'" % value, options=[option, value])

    def test_flags_are_true_or_false(self):
        self.assert_bad(USAGE, "--overwrite", "maybe", options=["--overwrite=maybe"])

    def test_a_word_that_is_no_option_is_shown_safely_and_in_short(self):
        self.assert_bad(USAGE, "--s\\x1b[31m", options=["--s\x1b[31m"])
        self.assert_mistake(USAGE, ["--" + 5000 * "a"], "aaa...")

    def test_sizes_and_words(self):
        for size in ("0", "-5", "12x", "x12", "1x2x3", "big", "99999999999", "512.5"):
            self.assert_bad(USAGE, "--size", size, options=["--size=" + size])
        for option, word in (("--loss", "balanced"), ("--smoothing", "softmax"), ("--init", "content"),
                             ("--optimizer", "adam"), ("--pooling", "avg"), ("--precision", "double"),
                             ("--conv", "winograd"), ("--style-loss", "wasserstein"), ("--preset", "gatys"), ("--network", "resnet50")):
            self.assert_bad(USAGE, option, word, options=[option, "nonsense"])

    def test_options_that_do_not_go_together(self):
        self.assert_bad(USAGE, "--temperature", options=["--temperature", "auto"])
        self.assert_bad(USAGE, "--init-image", options=["--init", "image"])
        self.assert_bad(USAGE, "--style-blend", options=["--style-blend", "1,2"])
        self.assert_bad(USAGE, "--scale-factor", options=["--scale-factor", "1"])
        self.assert_bad(USAGE, "--scales", options=["--loss", "paper", "--scales", "2"])
        self.assert_bad(USAGE, "fitted", options=["--network", "resnet18", "--weights", "fitted"])

    def test_layers(self):
        self.assert_bad(USAGE, "--style-layers", "relu9_9", "relu5_1", options=["--style-layers", "relu9_9"])
        self.assert_bad(USAGE, "relu9_9", "relu5_1", options=["--content-layers", "relu9_9"])
        self.assert_bad(USAGE, "relu9_9", "relu5_1", options=["--smoothing-layers", "relu9_9"])
        self.assert_bad(USAGE, "2 numbers for 5 layers", options=["--style-layer-weights", "1,2"])
        self.assert_bad(USAGE, "--style-layer-weights", options=["--style-layer-weights", "1,2,3,4,junk"])
        self.assert_bad(USAGE, "--style-layers", options=["--style-layers", "relu1_1,,relu2_1"])
        self.assert_bad(USAGE, "relu1_1", options=["--style-layers", "relu1_1,relu1_1"])
        for option in ("--style-layers", "--content-layers", "--smoothing-layers"):
            self.assert_mistake(USAGE, ["--show-options", option, "relu1_1,relu1_1"], option, "relu1_1 twice")

    def test_pictures_that_are_none(self):
        good = self.read("content.png")
        bad = {"missing.png": None, "empty.png": b"", "cut.png": good[:len(good) // 2],
               "text.jpg": b"no picture\n" * 9, "huge.png": png(60000, 60000, header_only=True),
               "one.png": png(1, 1),
               "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
               "web.webp": b"RIFF\x40\0\0\0WEBPVP8 " + bytes(64)}
        for name, data in bad.items():
            path = self.path(name) if data is None else self.write(name, data)
            with self.subTest(name=name):
                self.assert_bad(IMAGE, path, content=path)
                self.assert_bad(IMAGE, path, style=path)
                self.assert_bad(IMAGE, path, options=["--init-image", path])
        self.assert_bad(IMAGE, self.folder.name, content=self.folder.name)

    def test_too_small_for_the_deepest_layer(self):
        tiny = self.write("tiny.png", png(6, 5))
        self.assert_bad(IMAGE, tiny, "too small", "relu5_1", content=tiny, options=["--size", "orig"])
        self.assert_bad(IMAGE, self.style, "too small", options=["--style-scale", "0.1"])
        before_fitting = [self.content, self.style, "-o", self.out, "--size"]
        self.assert_mistake(IMAGE, before_fitting + ["8"], self.content, "too small")
        self.assert_mistake(MEMORY, before_fitting + ["32000"], "MiB", "the largest --size that fits")

    def test_weight_files(self):
        self.stylise("--save-weights", self.path("vgg11.safetensors"))
        os.remove(self.out)
        good = self.read("vgg11.safetensors")
        length = struct.unpack("<Q", good[:8])[0]
        overflowing = b'{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}'
        negative = b'{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}}'
        bad = {"empty": b"", "text": b"these are no weights, but some bytes", "truncated": good[:-1000],
               "cut_header": good[:length // 2], "huge_header": b"\xff" * 7 + b"\x7f" + good[8:],
               "lying_header": struct.pack("<Q", length - 9) + good[8:],
               "overflowing": struct.pack("<Q", len(overflowing)) + overflowing + bytes(4),
               "negative": struct.pack("<Q", len(negative)) + negative,
               "other_tensors": safetensors({"features.0.weight": [64, 3, 3, 3]})}
        for name, data in bad.items():
            with self.subTest(name=name):
                path = self.write(name + ".safetensors", data)
                self.assert_bad(WEIGHTS, path, options=["--weights", path])
                self.assert_mistake(WEIGHTS, ["model", "verify", path], path)
        self.assert_bad(WEIGHTS, "missing", options=["--weights", self.path("missing.safetensors")])
        self.assert_bad(WEIGHTS, options=["--weights", self.path("vgg11.safetensors"), "--network", "vgg13"])
        self.assert_bad(WEIGHTS, options=["--weights", self.folder.name])
        self.assert_bad(USAGE, "splitmix", options=["--weights", "splitmix:x"])

    def test_a_wrong_environment_is_told(self):
        result = self.swag(self.content, self.style, "-o", self.out, SWAG_WEIGHTS=self.path("nowhere"))
        self.assertEqual(result.returncode, WEIGHTS)
        self.assertIn("SWAG_WEIGHTS", result.stderr)

    def test_outputs(self):
        self.assert_bad(OUTPUT, "out.xyz", ".png", out=self.path("out.xyz"))
        self.assert_bad(OUTPUT, "nowhere", out=self.path("nowhere/out.png"))
        self.assertFalse(os.path.exists(self.path("nowhere")))
        self.assert_bad(OUTPUT, self.folder.name, out=self.folder.name)
        self.assert_bad(OUTPUT, "--overwrite", out=self.content)
        self.assert_bad(OUTPUT, "log", options=["--log", self.path("nowhere/log")])
        self.assert_bad(OUTPUT, "--overwrite", options=["--save-weights", self.content])
        self.write("out-0002.png", b"precious")
        self.assert_bad(OUTPUT, "out-0002.png", options=["--save-every", "2"])
        self.assertEqual(self.read("out-0002.png"), b"precious")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_folders_that_are_not_writable(self):
        os.mkdir(self.path("locked"), 0o500)
        self.assert_bad(OUTPUT, "locked", out=self.path("locked/out.png"))

    def test_devices(self):
        self.assert_bad(USAGE, "abacus", options=["--device", "abacus"])
        self.assert_bad(DEVICE, "emulator", options=["--device", "emulator"])
        self.assert_bad(DEVICE, "cuda:9", options=["--device", "cuda:9"])
        self.assert_bad(USAGE, "cuda:x", options=["--device", "cuda:x"])
        self.assert_bad(USAGE, "--emulator-check", options=["--emulator-check"])  # of the test build alone

    @unittest.skipIf(os.path.exists("/dev/nvidia0"), "there is a GPU")
    def test_cuda_without_a_gpu(self):
        self.assert_bad(DEVICE, "'cuda'", "--device cpu", options=["--device", "cuda"])
        self.stylise("--device", "auto")
        self.assertRegex(self.swag("devices").stdout, r"(?m)^cuda +- +\(.+\)$")

    def test_only_who_asks_for_cuda_loads_it(self):
        program = self.path("swag")
        shutil.copy(self.program, program)
        self.write("libswag_cuda.so", b"no library")
        for device, code in (("cpu", 0), ("auto", 0), ("cuda", DEVICE)):
            result = subprocess.run([program, self.content, self.style, "-o", self.out, "--overwrite", *FAST,
                                     "--device", device], capture_output=True, text=True, timeout=300)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertEqual("libswag_cuda.so" in result.stderr, code != 0)
            self.assertLessEqual(len(result.stderr.splitlines()), 10 if code == 0 else 1)

    def test_files_of_options(self):
        for name, data, word in (("a.json", b'{"colour": 1}', "colour"),
                                 ("b.json", b'{"scales": -1}', "scales"), ("c.json", b'{"scales": 1', "JSON"),
                                 ("d.json", b'{"size": {}}', "size")):
            path = self.write(name, data)
            self.assert_bad(USAGE, path, word, options=["--options-from", path])
        self.assert_bad(USAGE, self.content, options=["--options-from", self.content])
        self.assert_bad(USAGE, "missing.json", options=["--options-from", self.path("missing.json")])

    def test_other_commands(self):
        self.assert_mistake(USAGE, ["model"], "verify")
        self.assert_mistake(USAGE, ["model", "paint"], "verify")
        self.assert_mistake(USAGE, ["model", "fetch", "alexnet"], "vgg19")
        self.assert_mistake(WEIGHTS, ["model", "info", self.content], self.content)
        convert = ["model", "convert", self.path("no.pth"), self.path("w.safetensors")]
        self.assert_mistake(WEIGHTS, convert, "no.pth")
        self.assert_mistake(USAGE, ["bench", "network", "--size", "0"], "--size")
        self.assert_mistake(USAGE, ["dump", "--content", self.content], "--style")


if __name__ == "__main__":
    cli_case.main("build/swag")
