#!/usr/bin/env python3
"""What the program trusts: code that others can change is not run, no picture decides about files or devices, and
nothing that a file holds reaches the terminal as it stands.

    python3 tests/cli/test_cli_trust.py build/swag

Needs the standard library alone.
"""
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import unittest

import cli_case
from cli_case import FAST, OUTPUT, USAGE, WEIGHTS, CliTest
from cli_files import png, png_chunk, png_chunks, safetensors

LOADED = "cannot load its library"   # a plugin was tried


def described(description):
    """A picture with that description."""
    data = png(48, 36)
    body = b"swag\0\0\0\0\0" + description.encode()
    return data[:-12] + png_chunk(b"iTXt", body) + data[-12:]


def caffe_layer():
    """conv1_1 of a VGG as torch.save writes it."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
    import torch_files
    layer = {"conv1_1.weight": ((2, 3, 3, 3), (27, 9, 3, 1), 54), "conv1_1.bias": ((2,), (1,), 2)}
    entries = (torch_files.entry(key, torch_files.tensor(torch_files.storage("FloatStorage", key, numel), *shape))
               for key, (*shape, numel) in layer.items())
    return torch_files.zip_file(torch_files.ordered_dict(b"".join(entries)),
                                {key: torch_files.floats(*range(value[2])) for key, value in layer.items()})


class Code(CliTest):
    """A copy of the program in FOLDER/bin; planted files are no code, so that an attempt to use them is seen."""

    def setUp(self):
        super().setUp()
        for name in ("bin", "lib", "tools", "cwd", "path"):
            os.mkdir(self.path(name))
        self.copy = self.path("bin/swag")
        shutil.copy(self.program, self.copy)

    def run_in(self, folder, command, **environment):
        settings = {**os.environ, "XDG_DATA_HOME": self.path("data"), **environment}
        return subprocess.run(command, cwd=self.path(folder), capture_output=True, text=True, env=settings,
                              timeout=60)

    def cuda_line(self, folder="cwd", command=None, **environment):
        result = self.run_in(folder, command or [self.copy, "devices"], **environment)
        return re.search(r"(?m)^cuda.*$", result.stdout)[0]

    def test_a_library_in_the_current_folder_is_not_loaded(self):
        self.write("cwd/libswag_cuda.so", b"planted")
        self.write("cwd/swag", b"")
        os.mkdir(self.path("cwd/lib"))
        self.write("cwd/lib/libswag_cuda.so", b"planted")
        path = self.path("bin") + ":" + os.environ["PATH"]
        os.symlink(self.copy, self.path("cwd/linked"))
        for command in (["swag", "devices"], [self.copy, "devices"], ["../bin/swag", "devices"],
                        ["bash", "-c", "exec -a swag ../bin/swag devices"], ["./linked", "devices"],
                        ["bash", "-c", "exec -a ./swag ../bin/swag devices"]):
            with self.subTest(command=command):
                self.assertIn("no libswag_cuda.so", self.cuda_line(command=command, PATH=path))

    def test_a_library_beside_the_program_is_loaded_only_out_of_the_reach_of_others(self):
        for place, folder in (("bin/libswag_cuda.so", "bin"), ("lib/libswag_cuda.so", "lib")):
            planted = self.write(place, b"planted")
            self.assertIn(LOADED, self.cuda_line())
            for changed in (planted, self.path(folder), self.folder.name):
                with self.subTest(place=place, changed=changed):
                    mode = stat.S_IMODE(os.stat(changed).st_mode)
                    os.chmod(changed, 0o777)
                    self.assertIn("is not loaded: " + changed, self.cuda_line())
                    os.chmod(changed, mode)
            os.remove(planted)

    @unittest.skipUnless(os.geteuid() == 0, "only root can give files away")
    def test_a_library_of_another_user_is_not_loaded(self):
        os.chown(self.write("bin/libswag_cuda.so", b"planted"), 65534, 65534)
        self.assertIn("belongs to another user", self.cuda_line())

    def convert(self, folder="cwd", **environment):
        self.write("cwd/in.pth", b"no weights")
        return self.run_in(folder, [self.copy, "model", "convert", self.path("cwd/in.pth"),
                                    self.path("cwd/o.safetensors")], **environment)

    def test_the_converter_is_run_only_out_of_the_reach_of_others(self):
        script = self.write("tools/convert_weights.py", b"import sys; sys.exit('the script ran')")
        self.assertIn("the script ran", self.convert().stderr)
        for changed in (script, self.path("tools"), self.folder.name):
            with self.subTest(changed=changed):
                mode = stat.S_IMODE(os.stat(changed).st_mode)
                os.chmod(changed, 0o777)
                result = self.convert()
                self.assertEqual(result.returncode, WEIGHTS)
                self.assertIn(f"{script} is not run: {changed} can be changed by others\n", result.stderr)
                os.chmod(changed, mode)

    def test_python_is_taken_from_absolute_folders_that_others_cannot_change(self):
        self.write("tools/convert_weights.py", b"import sys; sys.exit('python ran')")
        for folder in ("cwd", "path"):
            self.write(folder + "/python3", b"#!/bin/sh\necho planted >&2; exit 4\n")
            os.chmod(self.path(folder + "/python3"), 0o755)
        rest = ":" + os.environ["PATH"]
        for planted in ("", ".", "./", "../cwd", ".."):
            with self.subTest(planted=planted):
                self.assertIn("python ran", self.convert(PATH=planted + rest).stderr)
        self.assertIn("planted", self.convert(PATH=self.path("path") + rest).stderr)   # as the user says
        os.chmod(self.path("path"), 0o777)
        self.assertIn("python ran", self.convert(PATH=self.path("path") + rest).stderr)
        result = self.convert(PATH=self.path("path"))
        self.assertEqual(result.returncode, WEIGHTS)
        self.assertIn(f"python3 is not run: {self.path('path')} can be changed by others", result.stderr)
        self.assertIn("python3 is not installed", self.convert(PATH="").stderr)

    def test_modules_in_the_current_folder_are_not_run(self):
        shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/convert_weights.py"),
                    self.path("tools"))
        for name in ("argparse.py", "json.py", "sitecustomize.py"):
            self.write("cwd/" + name, b"raise SystemExit('planted')")
        self.assertIn("no file of torch.save", self.convert(PYTHONPATH=self.path("cwd")).stderr)


class Pictures(CliTest):
    """What the metadata of a picture may decide."""

    def shown(self, description, *arguments, name="picture.png", **environment):
        picture = self.write(name, described(json.dumps(description)))
        return self.swag("--show-options", "--options-from", picture, *arguments, **environment)

    def test_a_picture_decides_how_the_new_one_looks_and_nothing_else(self):
        shown = json.loads(self.shown({"style_weight": 7, "device": "cuda", "threads": 3, "weights": "random",
                                       "conv": "direct"}).stdout)
        self.assertEqual((shown["style_weight"], shown["conv"]), (7, "direct"))
        self.assertEqual((shown["device"], shown["threads"]), ("cpu", 0))

    def test_a_picture_names_no_files_to_write(self):
        for key in ("output", "grid", "log", "save_weights", "overwrite", "save_every", "options_from"):
            result = self.shown({key: self.path("planted")})
            self.assertEqual(result.returncode, USAGE)
            self.assertIn(f"'{key}' is no option", result.stderr)
            self.assertFalse(os.path.exists(self.path("planted")))

    def test_weights_that_a_picture_names_are_taken_from_the_folders_alone(self):
        os.makedirs(self.path("data/swag/weights"))
        good = self.write("data/swag/weights/w.safetensors", safetensors({"a": [1]}, {"pooling": "max"}))
        other = self.write("other.safetensors", safetensors({"a": [1]}))
        for name in ("w.safetensors", "/no/such/w.safetensors", "../w.safetensors"):
            shown = json.loads(self.shown({"weights": name}).stdout)
            self.assertEqual(shown["weights"], good)
        for name in (other, "other.safetensors", os.path.relpath(other), "/etc/passwd", "/dev/stdin", "..", ""):
            with self.subTest(name=name):
                result = self.shown({"weights": name})
                self.assertEqual(result.returncode, WEIGHTS, result.stderr)
                self.assertIn("picture.png: was made with the weights", result.stderr)
                shown = json.loads(self.shown({"weights": name}, "--weights", other).stdout)
                self.assertEqual(shown["weights"], other)
        self.assertEqual(json.loads(self.shown({"weights": "splitmix:3"}).stdout)["weights"], "splitmix:3")

    def test_weights_that_a_picture_names_are_an_input_wherever_they_are_found(self):
        os.mkdir(self.path("d"))
        weights = self.path("d/w.safetensors")
        self.stylise("--save-weights", weights)
        self.stylise("--weights", weights, "--overwrite")
        before = self.read("d/w.safetensors")
        run = [self.content, self.style, "-o", self.path("again.png"), "--options-from", self.out, "--overwrite"]
        result = self.swag(*run, "--log", weights, SWAG_WEIGHTS=weights)
        self.assertEqual(result.returncode, OUTPUT, result.stderr)
        self.assertIn("is the file of the weights", result.stderr)
        self.assertEqual(self.read("d/w.safetensors"), before)
        result = self.swag(*run, SWAG_WEIGHTS=weights)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_file_of_options_may_name_any_weights(self):
        other = self.write("other.safetensors", safetensors({"a": [1]}))
        options = self.write("o.json", json.dumps({"weights": other, "device": "auto"}).encode())
        shown = json.loads(self.swag("--show-options", "--options-from", options).stdout)
        self.assertEqual((shown["weights"], shown["device"]), (other, "auto"))
        shutil.copy(options, self.path("o.png"))   # called a picture, it is none
        self.assertEqual(self.swag("--show-options", "--options-from", self.path("o.png")).returncode, USAGE)

    def test_a_picture_holds_names_of_files_and_nothing_of_the_machine(self):
        weights = self.path("w.safetensors")
        self.stylise("--save-weights", weights, "--init-image", self.style, "--threads", "2", "--device", "auto")
        self.stylise("--weights", weights, "--init-image", self.style, "--threads", "1", "--overwrite")
        text = [body for kind, body in png_chunks(self.read("out.png")) if kind == b"iTXt"][0].partition(b"{")[2]
        description = json.loads(b"{" + text)
        self.assertEqual((description["weights"], description["weights_source"]), ("w.safetensors",) * 2)
        self.assertEqual(description["init_image"], "style.png")
        self.assertNotIn("threads", description)
        self.assertNotIn("device", description)
        self.assertNotIn(self.folder.name.encode(), self.read("out.png"))

    def test_the_number_of_threads_changes_no_byte(self):
        self.stylise("--threads", "1")
        first = self.read("out.png")
        for threads in ("2", "3"):
            self.stylise("--threads", threads, "--overwrite")
            self.assertEqual(self.read("out.png"), first)


class Weights(CliTest):
    def test_a_noted_sha256_is_compared(self):
        weights = self.path("w.safetensors")
        self.stylise("--save-weights", weights)
        self.assertNotIn("as noted", self.swag("model", "verify", weights).stdout)
        digest = hashlib.sha256(self.read("w.safetensors")).hexdigest()
        self.write("w.safetensors.sha256", f"{digest}  w.safetensors\n".encode())
        self.assertIn(f"SHA-256 {digest} as noted", self.swag("model", "verify", weights).stdout)
        self.write("w.safetensors.sha256", f"{'0' * 64}  w.safetensors\n".encode())
        self.assert_mistake(WEIGHTS, ["model", "verify", weights], digest, "0" * 64)

    def test_what_the_converter_assumes_is_told(self):
        source, target = self.write("in.pth", caffe_layer()), self.path("out.safetensors")
        told = self.swag("model", "convert", source, target).stdout
        self.assertIn("; taken for weights of Caffe", told)
        self.assertIn("; --pixels torchvision leaves it as it is\n", told)
        told = self.swag("model", "convert", source, target, "--overwrite", "--pixels", "torchvision").stdout
        self.assertNotIn("Caffe", told)
        self.assert_mistake(USAGE, ["model", "convert", source, target, "--pixels", "bgr"], "--pixels")

    def test_the_converter_knows_the_networks_of_the_program(self):
        """Their names and shapes; the files have holes where their values would be."""
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")
        spec = importlib.util.spec_from_file_location("convert_weights", os.path.join(folder, "convert_weights.py"))
        converter = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(converter)
        listed = re.findall(r"^(\w+) +[0-9.]+ M ", self.swag("model", "list").stdout, re.MULTILINE)
        self.assertEqual(sorted(listed), sorted(converter.NETWORKS))
        for network, state in converter.NETWORKS.items():
            header, end = {}, 0
            for name, shape in state.items():
                begin, end = end, end + 4 * math.prod(shape)
                header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
            text = json.dumps(header).encode()
            path = self.write(network + ".safetensors", struct.pack("<Q", len(text)) + text)
            os.truncate(path, 8 + len(text) + end)
            told = self.swag("model", "info", path).stdout
            self.assertIn(network, re.search(r"; fits (.*)\n", told)[1].split(", "), told)


class Text(CliTest):
    """What files hold, as the terminal sees it."""

    def assert_harmless(self, result, most=2000):
        for text in (result.stdout, result.stderr):
            self.assertFalse(re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]", text), text)
            self.assertLess(len(text), most)

    def test_json_nested_deep_is_a_mistake_and_no_crash(self):
        for deep in ("[" * 40000 + "]" * 40000, "[" * 40000, '{"size":' + "[" * 40000 + "1" + "]" * 40000 + "}",
                     '{"a":' * 40000 + "1" + "}" * 40000, '{"scales":' + "[" * 9 + "]" * 9 + "}"):
            options = self.write("o.json", deep.encode())
            picture = self.write("p.png", described(deep))
            header = deep.encode()
            weights = self.write("w.safetensors", struct.pack("<Q", len(header)) + header)
            self.assertEqual(self.swag("--show-options", "--options-from", options).returncode, USAGE)
            for arguments, code in (((self.content, self.style, "-o", self.out, "--options-from", picture), USAGE),
                                    (("model", "info", weights), WEIGHTS)):
                result = self.swag(*arguments)
                self.assertEqual(result.returncode, code, result.stderr[:1000])
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assert_harmless(result)

    def test_a_description_of_megabytes_is_not_read(self):
        picture = self.write("p.png", described('{"size": "64"' + " " * (2 << 20) + "}"))
        self.assert_mistake(USAGE, [self.content, self.style, "-o", self.out, "--options-from", picture], "larger")

    def test_messages_are_short_whatever_a_file_holds(self):
        long = "x" * 500000
        for description in ({long: 1}, {"network": long}, {"style_layers": [long]}, {"scales": [1] * 200000},
                            {"size": {"a": long}}, {"seed": long}, {"loss": long}, {"pooling": long},
                            {"device": long}, {"weights": long}):
            for name, data in (("o.json", json.dumps(description).encode()),
                               ("p.png", described(json.dumps(description)))):
                if "device" in description and name == "p.png":   # passed over
                    continue
                result = self.swag(self.content, self.style, "-o", self.out, "--options-from",
                                   self.write(name, data))
                self.assertIn(result.returncode, (USAGE, WEIGHTS), result.stderr[:1000])
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assert_harmless(result)

    def test_control_codes_of_files_do_not_reach_the_terminal(self):
        evil = "a\x1b[2J\n\r\u202e\x9b31m"
        for key, value in ((evil, 1), ("network", evil), ("style_layers", [evil]), ("size", {"a": evil}),
                           ("weights", evil), ("loss", evil)):
            picture = self.write("p.png", described(json.dumps({key: value})))
            result = self.swag(self.content, self.style, "-o", self.out, "--options-from", picture)
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assert_harmless(result)
        for entry in ({evil: [1]}, {"a": [1]}):
            weights = self.write("w.safetensors", safetensors(entry, {evil: evil, "long": "x" * 100000}))
            for command in ("info", "verify"):
                self.assert_harmless(self.swag("model", command, weights))

    def test_what_is_shown_of_metadata_is_readable(self):
        weights = self.write("w.safetensors", safetensors({"a": [1]}, {"maker": "Ж ä 漢", "note": "one\ntwo"}))
        shown = self.swag("model", "info", weights).stdout
        self.assertIn("maker: Ж ä 漢\n", shown)
        self.assertIn("note: one\\x0atwo\n", shown)

    def test_names_in_brackets_are_names(self):
        shutil.copy(self.style, self.path("[a,b]"))
        command = [os.path.abspath(self.program), self.content, "[a,b]", "-o", self.out, *map(str, FAST)]
        result = subprocess.run(command, cwd=self.path(""), capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_names_that_are_no_utf8_are_names(self):
        weights = os.fsencode(self.path("")) + b"w\xff\xfe.safetensors"
        run = [self.content, self.style, "-o", self.out, *FAST, "--overwrite"]
        environment = {**os.environ, "XDG_DATA_HOME": self.path("data")}

        def swag(*arguments):
            result = subprocess.run([self.program, *arguments], capture_output=True, env=environment, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            return result.stdout

        swag(*run, "--save-weights", weights)
        swag(*run, "--weights", weights, "--log", os.fsencode(self.path("log")) + b"\xff")
        shown = json.loads(swag("--show-options", "--network", "vgg11", "--weights", weights))
        self.assertTrue(shown["weights"].endswith("w\ufffd\ufffd.safetensors"))
        dump = self.path("d.safetensors")
        swag("dump", "--network", "vgg11", "--weights", weights, "--content", self.content, "--style", self.style,
             "--out", dump)
        swag("model", "info", dump)
        swag("model", "verify", weights)


if __name__ == "__main__":
    cli_case.main("build/swag")
