#!/usr/bin/env python3
"""Runs the program as a user does, and gets it right.

    python3 tests/cli/test_cli.py build/swag

Needs the standard library alone.
"""
import json
import os
import signal
import struct
import subprocess
import time

import cli_case
from cli_case import FAST, IMAGE, INTERRUPTED, LONG_RUN, OUTPUT, USAGE, CliTest
from cli_files import decode_png, png


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

    def test_a_flag_that_is_given_false_is_not_set(self):
        precious = self.write("out.png", b"precious")
        self.stylise("--overwrite=false", code=OUTPUT)
        self.assertEqual(self.read("out.png"), b"precious")
        os.remove(precious)
        self.assertNotEqual(self.stylise("--quiet=false").stderr, "")
        self.assertEqual(self.stylise("--quiet=true", "--overwrite").stderr, "")

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

    def test_the_options_start_from_what_suits_the_weights(self):
        weights = self.path("trained.safetensors")
        self.stylise("--save-weights", weights)
        shown = json.loads(self.swag("--show-options", "--network", "vgg11", "--weights", weights).stdout)
        self.assertEqual((shown["preset"], shown["style_loss"]), ("random", "wasserstein"))  # swag's own say so

        data = self.read("trained.safetensors")
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        del header["__metadata__"]
        text = json.dumps(header).encode()
        self.write("trained.safetensors", struct.pack("<Q", len(text)) + text + data[8 + length:])
        shown = json.loads(self.swag("--show-options", "--network", "vgg11", "--weights", weights).stdout)
        self.assertEqual((shown["preset"], shown["style_loss"]), ("trained", "wasserstein"))
        self.assertEqual(shown["style_layer_weights"], [64, 32, 4, 0.25, 0.05])
        shown = json.loads(self.swag("--show-options", "--network", "vgg11", "--weights", weights, "--style-layers",
                                     "relu1_1", "--style-weight", "7").stdout)
        self.assertEqual((shown["style_layers"], shown["style_layer_weights"], shown["style_weight"]),
                         (["relu1_1"], [1], 7))
        for preset in ("gatys", "crowson"):
            shown = json.loads(self.swag("--show-options", "--preset", preset, "--network", "vgg11", "--weights",
                                         weights).stdout)
            self.assertEqual(shown["preset"], preset)
        for words, preset in (((), "random"), (("--network", "resnet18"), "default"), (("--weights", "splitmix:3"), "default"),
                              (("--preset", "gatys"), "gatys")):
            shown = json.loads(self.swag("--show-options", "--network", "vgg11", "--weights", "random", *words).stdout)
            self.assertEqual(shown["preset"], preset)
        os.remove(self.out)
        result = self.stylise("--weights", weights)
        self.assertIn("options not given are those of --preset trained, which suits trained.safetensors", result.stderr)

    def test_steps_of_the_first_scale_keep_their_share(self):
        shown = json.loads(self.swag("--show-options", "--preset", "crowson", "-n", "120", "--weights", "random").stdout)
        self.assertEqual((shown["iterations"], shown["initial_iterations"]), (120, 240))
        shown = json.loads(self.swag("--show-options", "--preset", "crowson", "--optimizer", "lbfgs", "--weights",
                                     "random").stdout)
        self.assertEqual((shown["clamp"], shown["average"], shown["learning_rate"]), ("off", 0, 1))

    def test_the_parts_of_the_preset_crowson_run(self):
        for options in (["--loss", "mse", "--style-loss", "wasserstein"], ["--tv-stencil", "nine-point", "--tv-weight", "2"],
                        ["--padding", "replicate"], ["--resample", "bicubic"], ["--optimizer", "adam", "--clamp", "on", "--average", "0.9"],
                        ["--scales", "2", "--scale-factor", "1.2", "--min-scale", "30", "--initial-iterations", "4"]):
            self.stylise("--overwrite", *options)
            self.assertEqual(decode_png(self.read("out.png"))[:3], (48, 36, 3))

    def test_a_picture_that_hardly_changed_says_so_with_a_way_out(self):
        self.content = self.write("flat.png", png(64, 48, 3, lambda x, y: [124, 116, 104]))
        self.assertIn("hardly changed", self.stylise().stderr)
        os.remove(self.out)
        self.assertNotIn("hardly changed", self.stylise("--init", "random").stderr)
        self.assertNotIn("hardly changed", self.stylise("--overwrite", "--iterations", "0").stderr)

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


def disc(colour, hidden, width=64, height=48):
    """A PNG with a disc that can be seen, and `hidden` everywhere else, at alpha 0."""
    def pixel(x, y):
        inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (0.4 * height) ** 2
        return [*(colour if inside else hidden), 255 if inside else 0]
    return png(width, height, 4, pixel)


class Transparency(CliTest):
    def pixels(self, content, style, *options):
        names = [self.write("a.png", content), self.write("b.png", style)]
        result = self.swag(*names, "-o", self.out, "--overwrite", *FAST, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return decode_png(self.read("out.png"))

    def test_hidden_colours_do_not_decide_the_result(self):
        black, green = (0, 0, 0), (0, 255, 0)
        for options in ([], ["--weights", "fitted"], ["--init", "random"], ["--no-resize", "--tv-weight", "1"],
                        ["--smoothing", "softmax", "--temperature", "auto"]):
            first, second = (self.pixels(disc((200, 90, 30), hidden), disc((20, 90, 200), hidden), *options)
                             for hidden in (black, green))
            self.assertEqual(first, second, options)

    def test_a_style_is_what_can_be_seen_of_it(self):
        def colours(x, y):
            return [4 * x, 255 - 3 * y, (x ^ y) * 4 % 256]

        def beside(alpha):   # the same painting, and as much green, of this alpha
            return png(128, 64, 4, lambda x, y: [*colours(x, y), 255] if x < 64 else [0, 255, 0, alpha])

        def painted(style):
            rows = self.pixels(png(64, 64), style, "--style-layers", "relu1_1,relu2_1", "--no-resize",
                               "--style-loss", "gram", "--tv-weight", "0")[3]
            return [value for row in rows for value in row]

        alone, beside_nothing, beside_green = map(painted, (png(64, 64, 3, colours), beside(0), beside(255)))
        self.assertLess(4 * sum(abs(a - b) for a, b in zip(alone, beside_nothing)),
                        sum(abs(a - b) for a, b in zip(alone, beside_green)))

    def test_nothing_to_see_is_a_mistake(self):
        clear = self.write("clear.png", png(20, 20, 4, lambda x, y: [255, 0, 0, 0]))
        self.assert_bad(IMAGE, "clear.png: it is transparent everywhere", content=clear)
        self.assert_bad(IMAGE, "clear.png: it is transparent everywhere", style=clear)
        self.assert_bad(IMAGE, "clear.png: it is transparent everywhere", options=["--init-image", clear])
        self.assert_bad(IMAGE, "clear.png: it is transparent everywhere", style=clear, options=["--weights", "fitted"])

    def test_a_dump_does_not_know_hidden_colours_either(self):
        def dump(hidden):
            picture = self.write("a.png", disc((200, 90, 30), hidden))
            result = self.swag("dump", "--network", "vgg11", "--weights", "splitmix:7", "--content", picture, "--style",
                               picture, "--image", self.write("b.png", disc((20, 90, 200), hidden)), "--out", self.out)
            self.assertEqual(result.returncode, 0, result.stderr)
            return self.read("out.png")

        self.assertEqual(dump((0, 0, 0)), dump((0, 255, 0)))
        clear = self.write("clear.png", png(20, 20, 4, lambda x, y: [255, 0, 0, 0]))
        self.assert_mistake(IMAGE, ["dump", "--network", "vgg11", "--weights", "splitmix:7", "--content", self.content,
                                    "--style", clear, "--out", self.path("d")], "it is transparent everywhere")

    def test_invisible_pixels_of_the_output_are_of_the_colours_around(self):
        *_, rows = self.pixels(disc((200, 90, 30), (0, 255, 0)), disc((200, 90, 30), (0, 0, 255)), "--iterations", "0")
        hidden = {tuple(row[i:i + 3]) for row in rows for i in range(0, len(row), 4) if row[i + 3] == 0}
        self.assertEqual(hidden, {(200, 90, 30)})


class Fit(CliTest):
    def fitted(self, *options):
        result = self.stylise("--size", "40x40", "--overwrite", *options)
        return result.stderr, decode_png(self.read("out.png"))

    def test_content_of_another_shape_is_cropped_and_a_line_says_so(self):
        errors, picture = self.fitted()
        self.assertIn("64x48 is of another shape than the output, 40x40; its middle is taken (--fit crop)", errors)
        self.assertEqual(picture[:3], (40, 40, 3))
        self.assertEqual(picture, self.fitted("--fit", "crop")[1])

    def test_stretch_takes_all_of_it(self):
        errors, picture = self.fitted("--fit", "stretch", "--iterations", "0")
        self.assertIn("stretched (--fit stretch)", errors)
        self.assertEqual(picture[:3], (40, 40, 3))
        self.assertNotEqual(picture, self.fitted("--iterations", "0")[1])

    def test_pad_leaves_transparent_margins(self):
        errors, (width, height, channels, rows) = self.fitted("--fit", "pad", "--weights", "fitted")
        self.assertIn("transparent margins (--fit pad)", errors)
        self.assertEqual((width, height, channels), (40, 40, 4))
        self.assertEqual([set(row[3::4]) for row in rows], [{0}] * 5 + [{255}] * 30 + [{0}] * 5)

    def test_content_of_the_same_shape_is_taken_whole_without_a_word(self):
        for size in ("32x24", "33x24", "60"):
            result = self.stylise("--size", size, "--fit", "pad", "--overwrite")
            self.assertNotIn("shape", result.stderr)
            self.assertEqual(decode_png(self.read("out.png"))[2], 3)

    def test_the_picture_tells_how_it_was_fitted(self):
        self.fitted("--fit", "pad")
        shown = json.loads(self.swag("--show-options", "--options-from", self.out).stdout)
        self.assertEqual((shown["size"], shown["fit"]), ("40x40", "pad"))
        self.assert_mistake(USAGE, ["--fit", "fill"], "--fit: 'fill' is not one of stretch, crop, pad")


class Interrupts(CliTest):
    def start(self, *arguments):
        command = [self.program, self.content, self.style, "-o", self.out, *FAST, *LONG_RUN, *arguments]
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
        while process.poll() is None:   # two that come too fast are one
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
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

    def test_options_come_through_a_pipe_too(self):
        self.swag(self.content, self.style, "-o", self.out, *FAST, "--style-weight", "7")
        for data in (self.read("out.png"), b'{"style_weight": 7}'):
            source, sink = os.pipe()
            with open(sink, "wb") as writer, open(source, "rb"):
                writer.write(data)
                writer.close()
                path = "/dev/fd/%d" % source
                shown = subprocess.run([self.program, "--show-options", "--options-from", path], pass_fds=[source],
                                       capture_output=True, timeout=60).stdout
            self.assertEqual(json.loads(shown)["style_weight"], 7)

    def test_the_command_line_wins_over_the_file_over_the_preset(self):
        file = self.write("options.json", b'{"iterations": 7, "history": 8}')
        shown = self.shown("--preset", "gatys", "--weights", "random", "--options-from", file, "--history", 9)
        self.assertEqual((shown["iterations"], shown["history"], shown["scales"]), (7, 9, 1))

    def test_the_authors_preset_has_the_constants_of_their_code(self):
        shown = self.shown("--preset", "authors")
        expected = {"network": "resnet50", "size": "512x512", "fit": "stretch", "init": "content", "optimizer": "lbfgs-plain",
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
        self.assertEqual(self.shown("--optimizer", "adam", "--weights", "random")["learning_rate"], 0.02)


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
        self.assertEqual((lines[-1]["conv"], lines[-1]["style_loss"]), ("auto", "gram"))
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
    cli_case.main("build/swag")
