#!/usr/bin/env python3
"""Runs the program as a user does: good runs, and every way to get something wrong.

    python3 tests/test_cli.py build/swag

Needs the standard library alone.
"""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from cli_files import decode_png, png, safetensors

USAGE, IMAGE, WEIGHTS, DEVICE, MEMORY, OUTPUT, INTERRUPTED = 2, 3, 4, 5, 6, 8, 130
MISTAKE_SECONDS = 5   # a mistake is told before any long work
LONG_RUN = ["--iterations", "100000", "--scales", "1"]
FAST = ["--weights", "random", "--network", "vgg11", "--size", "48", "--iterations", "3", "--scales", "1"]
SWAG = "build/swag"


class CliTest(unittest.TestCase):
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
        return subprocess.run([SWAG, *map(str, arguments)], capture_output=True, text=True, env=settings,
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


class Runs(CliTest):
    def test_a_picture_comes_out_at_the_size_asked_for(self):
        result = self.stylise()
        self.assertEqual(decode_png(self.read("out.png"))[:3], (48, 36, 3))
        self.assertIn("random", result.stderr)
        self.assertRegex(result.stderr, r"out.png: 48x36, \d+ evaluations, [\d.]+ s, loss")

    def test_the_word_run_may_be_given(self):
        result = self.swag("run", self.content, self.style, "-o", self.out, *FAST)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(os.path.exists(self.out))

    def test_quiet_says_nothing(self):
        result = self.stylise("--quiet")
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_the_same_run_gives_the_same_bytes(self):
        self.stylise()
        first = self.read("out.png")
        self.stylise("--overwrite")
        self.assertEqual(first, self.read("out.png"))

    def test_a_picture_tells_how_to_make_it_again(self):
        self.stylise("--style-weight", "33", "--seed", "5", "--init", "random",
                     "--style-layers", "relu1_1,relu3_1")
        again = self.path("again.png")
        result = self.swag(self.content, self.style, "-o", again, "--options-from", self.out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(decode_png(self.read("out.png")), decode_png(self.read("again.png")))
        shown = json.loads(self.swag("--show-options", "--options-from", self.out).stdout)
        self.assertEqual((shown["style_weight"], shown["seed"], shown["init"]), (33, 5, "random"))
        self.assertEqual(shown["style_layers"], ["relu1_1", "relu3_1"])

    def test_a_jpeg_tells_how_to_make_it_again(self):
        self.out = self.path("out.jpg")
        self.stylise("--style-weight", "7")
        self.assertTrue(self.read("out.jpg").startswith(b"\xff\xd8"))
        shown = json.loads(self.swag("--show-options", "--options-from", self.out).stdout)
        self.assertEqual((shown["style_weight"], shown["network"]), (7, "vgg11"))

    def test_the_picture_names_files_but_no_folders(self):
        self.stylise()
        self.assertNotIn(self.folder.name.encode(), self.read("out.png"))
        self.assertIn(b"content.png", self.read("out.png"))

    def test_alpha_of_the_content_is_kept(self):
        half_clear = png(48, 36, 4, lambda x, y: [5 * x, 3 * y, 90, 255 if x < 24 else 64])
        self.content = self.write("content.png", half_clear)
        self.stylise()
        width, height, channels, rows = decode_png(self.read("out.png"))
        self.assertEqual((width, height, channels), (48, 36, 4))
        self.assertEqual({row[3] for row in rows}, {255})
        self.assertEqual({row[-1] for row in rows}, {64})

    def test_save_every_leaves_numbered_pictures(self):
        self.stylise("--iterations", "5", "--save-every", "2")
        self.assertEqual(sorted(n for n in os.listdir(self.folder.name) if n.startswith("out")),
                         ["out-0002.png", "out-0004.png", "out.png"])
        self.assertEqual(decode_png(self.read("out-0002.png"))[:2], (48, 36))

    def test_the_log_is_lines_of_json(self):
        self.stylise("--log", self.path("log"))
        lines = [json.loads(line) for line in self.read("log").decode().splitlines()]
        self.assertEqual([line["evaluation"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertLess(lines[-1]["loss"], lines[0]["loss"])
        on_stdout = self.stylise("--log", "-", "--overwrite").stdout.splitlines()
        self.assertEqual(json.loads(on_stdout[0])["loss"], lines[0]["loss"])

    def test_saved_weights_give_the_same_picture(self):
        self.stylise("--save-weights", self.path("w.safetensors"))
        first = decode_png(self.read("out.png"))
        verified = self.swag("model", "verify", self.path("w.safetensors"), "--network", "vgg11")
        self.assertEqual(verified.returncode, 0, verified.stderr)
        self.stylise("--weights", self.path("w.safetensors"), "--overwrite")
        self.assertEqual(first, decode_png(self.read("out.png")))

    def test_fitted_weights_are_the_default_of_vgg(self):
        result = self.swag(self.content, self.style, "-o", self.out, "--network", "vgg11", "--size", "48",
                           "--scales", "1", "--iterations", "2", "--style-layers", "relu1_1",
                           "--content-layers", "relu2_1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("fitted", result.stderr)
        shown = json.loads(self.swag("--show-options", "--options-from", self.out).stdout)
        self.assertEqual((shown["weights"], shown["pooling"]), ("fitted", "avg"))

    def test_residual_networks_without_weights_say_what_to_expect(self):
        result = self.swag(self.content, self.style, "-o", self.out, "--network", "resnet18", "--size", "48",
                           "--iterations", "1", "--scales", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("swag model fetch resnet18", result.stderr)

    def test_weights_are_found_in_the_folders(self):
        self.stylise("--save-weights", self.path("vgg11.safetensors"))
        arguments = [self.content, self.style, "-o", self.out, *FAST, "--weights", "auto", "--overwrite"]
        result = self.swag(*arguments, SWAG_WEIGHTS=self.folder.name)
        self.assertIn("vgg11.safetensors", result.stderr)
        os.makedirs(self.path("data/swag/weights"))
        os.rename(self.path("vgg11.safetensors"), self.path("data/swag/weights/vgg11.safetensors"))
        result = self.swag(*arguments)
        self.assertIn("vgg11.safetensors", result.stderr)
        self.assertNotIn(self.folder.name.encode(), self.read("out.png"))
        result = self.swag(*arguments, "--options-from", self.out)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_several_styles_are_blended(self):
        other = self.write("other.png", png(50, 50))
        result = self.swag(self.content, self.style, other, "-o", self.out, *FAST, "--style-blend", "3,1")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_no_resize_takes_the_pixels_as_they_are(self):
        self.stylise("--no-resize")
        self.assertEqual(decode_png(self.read("out.png"))[:2], (64, 48))

    def test_a_run_can_start_from_a_picture(self):
        self.stylise("--init-image", self.style, "--iterations", "0")
        self.assertEqual(decode_png(self.read("out.png"))[:2], (48, 36))


class Interrupts(CliTest):
    def start(self, *arguments):
        command = [SWAG, self.content, self.style, "-o", self.out, *FAST, *LONG_RUN, *arguments]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        process.stdout.readline()   # the log's first line: the run has begun
        return process

    def test_ctrl_c_saves_the_best_picture(self):
        for sent, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 143)):
            process = self.start("--log", "-", "--overwrite")
            process.send_signal(sent)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, code, errors)
            self.assertIn("out.png is the best picture so far", errors)
            self.assertEqual(decode_png(self.read("out.png"))[:2], (48, 36))
            os.remove(self.out)

    def test_a_second_ctrl_c_ends_the_program_at_once(self):
        process = self.start("--log", "-", "--size", "800")   # an evaluation takes a while
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertFalse(os.path.exists(self.out))


class ShowOptions(CliTest):
    def shown(self, *arguments):
        result = self.swag("--show-options", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_options_shown_can_be_read_back(self):
        first = self.shown("--preset", "authors", "--style-weight", "12.5", "--weights", "random")
        file = self.write("options.json", json.dumps(first).encode())
        self.assertEqual(self.shown("--options-from", file), first)

    def test_the_command_line_wins_over_the_file_over_the_preset(self):
        file = self.write("options.json", b'{"iterations": 7, "history": 8}')
        shown = self.shown("--preset", "gatys", "--weights", "random", "--options-from", file, "--history", 9)
        self.assertEqual((shown["iterations"], shown["history"], shown["scales"]), (7, 9, 1))

    def test_the_authors_preset_has_the_constants_of_their_code(self):
        shown = self.shown("--preset", "authors")
        expected = {"network": "resnet50", "size": "512x512", "init": "content", "optimizer": "lbfgs-plain",
                    "learning_rate": 1, "history": 100, "iterations": 1000, "scales": 1, "loss": "authors",
                    "content_weight": 1, "style_weight": 1e17, "content_layers": ["layer3"],
                    "style_layers": ["conv1", "layer1", "layer2", "layer3", "layer4"], "temperature": 1000,
                    "style_layer_weights": [1, 1, 1, 1, 1], "smoothing": "scale",
                    "smoothing_layers": ["layer3", "layer4"], "pooling": "max"}
        self.assertEqual({key: shown[key] for key in expected}, expected)

    def test_another_network_brings_its_own_layers(self):
        shown = self.shown("--preset", "authors", "--network", "vgg16", "--weights", "random")
        self.assertEqual(shown["style_layers"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"])
        self.assertEqual(shown["content_layers"], ["relu4_2"])

    def test_a_loss_that_knows_one_scale_gets_one(self):
        self.assertEqual(self.shown("--loss", "paper", "--weights", "random")["scales"], 1)

    def test_adam_has_a_step_of_its_own(self):
        self.assertEqual(self.shown("--optimizer", "adam", "--weights", "random")["learning_rate"], 0.05)


class Mistakes(CliTest):
    def assert_bad(self, code, *words, content=None, style=None, out=None, options=()):
        arguments = [content or self.content, style or self.style, "-o", out or self.out, *FAST, *options]
        self.assert_mistake(code, arguments, *words)
        self.assertFalse(os.path.isfile(self.out))

    def test_no_arguments(self):
        self.assert_mistake(USAGE, [], "swag CONTENT STYLE")
        self.assert_mistake(USAGE, [self.content], "style")
        self.assert_mistake(USAGE, [self.content, self.style], "-o")
        self.assert_mistake(USAGE, [self.content, self.style, "-o", self.out, "--colour"], "--colour")

    def test_numbers_are_read_strictly(self):
        options = {"--style-weight": "from 0", "--content-weight": "from 0", "--tv-weight": "from 0",
                   "--style-scale": "above 0", "--temperature": "above 0", "--entropy": "below 1",
                   "--learning-rate": "above 0", "--iterations": "whole number", "--history": "from 1",
                   "--scales": "from 1 to 10", "--threads": "from 0", "--seed": "from 0",
                   "--save-every": "from 1", "--jpeg-quality": "to 100"}
        for option, allowed in options.items():
            for value in ("12junk", "nan", "inf", "-1", "1e999", "", " 3", "0x10"):
                with self.subTest(option=option, value=value):
                    self.assert_bad(USAGE, option, allowed, "'%s'" % value, options=[option, value])

    def test_sizes_and_words(self):
        for size in ("0", "-5", "12x", "x12", "1x2x3", "big", "99999999999", "512.5"):
            self.assert_bad(USAGE, "--size", size, options=["--size=" + size])
        for option, word in (("--loss", "balanced"), ("--smoothing", "softmax"), ("--init", "content"),
                             ("--optimizer", "adam"), ("--pooling", "avg"), ("--precision", "double"),
                             ("--conv", "winograd"), ("--preset", "gatys"), ("--network", "resnet50")):
            self.assert_bad(USAGE, option, word, options=[option, "nonsense"])

    def test_options_that_do_not_go_together(self):
        self.assert_bad(USAGE, "--temperature", options=["--temperature", "auto"])
        self.assert_bad(USAGE, "--init-image", options=["--init", "image"])
        self.assert_bad(USAGE, "--style-blend", options=["--style-blend", "1,2"])
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
        shutil.copy(SWAG, program)
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


class OtherCommands(CliTest):
    def test_version_and_help(self):
        self.assertRegex(self.swag("--version").stdout, r"^swag \d+\.\d+\.\d+\n$")
        for command in ([], ["run"], ["model"], ["model", "list"], ["devices"], ["bench"], ["dump"]):
            result = self.swag(*command, "--help")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("Usage: swag", result.stdout)
            self.assertLessEqual(max(map(len, result.stdout.splitlines())), 110)

    def test_model_list_names_networks_and_folders(self):
        listed = self.swag("model", "list").stdout
        for word in ("vgg19", "resnet50", "noresnet50", self.path("data")):
            self.assertIn(word, listed)

    def test_devices_has_the_cpu(self):
        self.assertRegex(self.swag("devices").stdout, r"(?m)^cpu +cpu, \d+ thread")

    def test_bench_ends_with_a_summary(self):
        result = self.swag("bench", "network", "--network", "vgg11", "--size", 32, "--repeat", 2, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual((lines[-1]["network"], lines[-1]["size"], lines[-1]["device"]), ("vgg11", 32, "cpu"))
        self.assertEqual(lines[-1]["conv"], "auto")
        self.assertLessEqual(lines[-1]["ms_min"], lines[-1]["ms_median"])
        self.assertGreater(lines[-1]["peak_bytes"], 0)

    def test_bench_ops_names_every_op_and_its_shape(self):
        command = ("bench", "ops", "--network", "vgg11", "--size", 32, "--repeat", 1, "--history", 1)
        result = self.swag(*command, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        *ops, summary = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual((summary["network"], summary["size"], summary["device"]), ("vgg11", 32, "cpu"))
        self.assertGreater(summary["matrix_gflops"], 0)
        self.assertGreater(summary["copy_gb_per_s"], 0)
        shapes = {(op["op"], op["shape"]) for op in ops}
        self.assertIn(("conv2d_forward", "32x32x3 to 32x32x64, 3x3, stride 1x1, pad 1x1"), shapes)
        self.assertTrue({"conv2d_backward_data", "gram_forward", "lbfgs_measure"} <= {op for op, _ in shapes})
        self.assertAlmostEqual(sum(op["ms"] * op["calls"] for op in ops), summary["ms"], delta=0.01 * summary["ms"])
        self.assertRegex(self.swag(*command).stdout, r"(?m)^conv2d_forward +all shapes +7\.0 ")
        self.assert_mistake(USAGE, ["bench", "fast"], "there are network and ops")

    def test_conv_chooses_the_convolution(self):
        def dump(*options):
            result = self.swag("dump", "--network", "vgg11", "--weights", "splitmix:7", "--content", self.content,
                               "--style", self.style, "--out", self.path("d.safetensors"), *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            data = self.read("d.safetensors")
            return data[8 + struct.unpack("<Q", data[:8])[0]:]  # the header names the options

        auto, direct = dump(), dump("--conv", "direct")
        self.assertEqual(dump("--conv", "auto"), auto)
        self.assertNotEqual(direct, auto)
        self.assertNotEqual(dump("--conv", "winograd"), direct)
        self.assertEqual(dump("--precision", "double", "--conv", "winograd"),
                         dump("--precision", "double", "--conv", "direct"))

    def test_dump_writes_the_tensors_of_an_evaluation(self):
        out = self.path("d.safetensors")
        result = self.swag("dump", "--network", "vgg11", "--weights", "splitmix:7", "--content", self.content,
                           "--style", self.style, "--no-resize", "--smoothing", "softmax",
                           "--temperature", "20", "--loss", "paper", "--content-weight", "1",
                           "--style-weight", "1e3", "--precision", "double", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        data = self.read("d.safetensors")
        header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
        self.assertEqual(header["gradient"]["shape"], [3, 48, 64])
        self.assertEqual(header["gradient"]["dtype"], "F64")
        for name in ("content_loss", "total_loss", "style_loss.relu1_1", "feature_stats.relu5_1",
                     "gram_stats.relu2_1", "entropy.relu3_1", "temperature.relu4_2"):
            self.assertIn(name, header)
        self.assertEqual(header["__metadata__"]["temperature"], "20")


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.access(sys.argv[1], os.X_OK):
        SWAG = os.path.abspath(sys.argv.pop(1))
    unittest.main()
