#!/usr/bin/env python3
"""Tests of tools/convert_weights.py. The standard library is enough: the files are assembled from pickle
opcodes, as torch.save writes them. Where torch can be imported, its own files are converted too and compared
bit by bit.

    python3 tests/tools/test_convert_weights.py
"""
import collections
import contextlib
import fcntl
import hashlib
import importlib.util
import io
import json
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import zipfile

from torch_files import (
    MAGIC, PROTOCOL, entry, floats, integer, legacy_file, name, one_tensor, ordered_dict, storage, tensor, text, zip_file)

try:
    import torch
except ImportError:
    torch = None

Result = collections.namedtuple("Result", "returncode stderr")
CONVERTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "convert_weights.py")


spec = importlib.util.spec_from_file_location("convert_weights", CONVERTER)
converter = importlib.util.module_from_spec(spec)
spec.loader.exec_module(converter)


# ---------------------------------------------------------------- running the converter

def read_safetensors(path):
    """{name: (dtype, shape, bytes)}, and the metadata."""
    with open(path, "rb") as stream:
        size, = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(size))
        data = stream.read()
    metadata = header.pop("__metadata__")
    return {key: (value["dtype"], tuple(value["shape"]), data[slice(*value["data_offsets"])])
            for key, value in header.items()}, metadata


class ConverterTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.source, self.target = self.path("in.pth"), self.path("out.safetensors")

    def path(self, base):
        return os.path.join(self.folder, base)

    def run_converter(self, *options):
        """main() in this process, which is much faster; an exception that it lets through fails the test."""
        errors = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            try:
                code = converter.main([*options, self.source, self.target])
            except SystemExit as usage:
                code = usage.code
        return Result(code, errors.getvalue())

    def write(self, data):
        with open(self.source, "wb") as stream:
            stream.write(data)

    def convert(self, data, *options):
        """The tensors of the converted file."""
        self.write(data)
        result = self.run_converter("--overwrite", *options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return read_safetensors(self.target)[0]

    def refuse(self, data, expected, code=4):
        """Converting must fail with one line that has `expected`, and leave nothing behind."""
        self.write(data)
        result = self.run_converter()
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(expected, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(os.listdir(self.folder), ["in.pth"])


class Formats(ConverterTest):
    values = floats(1, -2, 0.1, 3e38)

    def test_both_formats_give_the_same_bytes(self):
        body = ordered_dict(entry("b", tensor(storage("FloatStorage", "0", 4), (2, 2), (2, 1))))
        expected = {"b": ("F32", (2, 2), self.values)}
        self.assertEqual(self.convert(zip_file(body, {"0": self.values})), expected)
        self.assertEqual(self.convert(legacy_file(body, [("0", 4, self.values)])), expected)
        with open(self.source, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        self.assertEqual(read_safetensors(self.target)[1],
                         {"format": "pt", "converted_from": "in.pth", "source_sha256": digest})

    def test_big_endian_files_are_turned(self):
        swapped = struct.pack(">4f", *struct.unpack("<4f", self.values))
        body = one_tensor((4,), numel=4)
        expected = {"w": ("F32", (4,), self.values)}
        self.assertEqual(self.convert(zip_file(body, {"0": swapped}, b"big")), expected)
        self.assertEqual(self.convert(legacy_file(body, [("0", 4, swapped)], little_endian=False)), expected)

    def test_strided_offset_shared_scalar_and_empty_tensors_become_contiguous(self):
        data = floats(*range(12))
        shared = storage("FloatStorage", "0", 12)
        body = ordered_dict(entry("transposed", tensor(shared, (4, 3), (1, 4)))
                            + entry("tail", tensor(shared, (2,), (1,), 10))
                            + entry("column", tensor(shared, (3,), (4,), 1))
                            + entry("scalar", tensor(shared, (), (), 7))
                            + entry("empty", tensor(shared, (0, 3), (3, 1)))
                            + entry("last", tensor(shared, (2, 1, 3), (4, 99, 1), 5)))
        expected = {"transposed": ("F32", (4, 3), floats(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)),
                    "tail": ("F32", (2,), floats(10, 11)), "column": ("F32", (3,), floats(1, 5, 9)),
                    "scalar": ("F32", (), floats(7)), "empty": ("F32", (0, 3), b""),
                    "last": ("F32", (2, 1, 3), floats(5, 6, 7, 9, 10, 11))}
        self.assertEqual(self.convert(zip_file(body, {"0": data})), expected)
        self.assertEqual(self.convert(legacy_file(body, [("0", 12, data)])), expected)

    def test_legacy_storage_views_read_their_part(self):
        view = b"(" + text("view") + integer(1) + integer(2) + b"t"
        body = ordered_dict(entry("w", tensor(storage("FloatStorage", "0", 4, view), (2,), (1,))))
        self.assertEqual(self.convert(legacy_file(body, [("0", 4, self.values)])),
                         {"w": ("F32", (2,), self.values[4:12])})

    def test_doubles_are_rounded_halves_kept_and_integers_left_out(self):
        kinds = {"DoubleStorage": struct.pack("<2d", 0.1, -1e-50), "HalfStorage": b"\0\x3c\1\0",
                 "BFloat16Storage": b"\x80\x3f\1\x7f", "LongStorage": bytes(16), "BoolStorage": b"\0\1"}
        body = ordered_dict(b"".join(entry(kind, tensor(storage(kind, kind, 2), (2,), (1,)))
                                     for kind in kinds))
        self.assertEqual(self.convert(zip_file(body, kinds)),
                         {"DoubleStorage": ("F32", (2,), floats(0.1, -0.0)),
                          "HalfStorage": ("F16", (2,), b"\0\x3c\1\0"),
                          "BFloat16Storage": ("BF16", (2,), b"\x80\x3f\1\x7f")})

    def test_checkpoints_and_wrapped_modules_are_unpacked(self):
        plain = tensor(storage("FloatStorage", "0", 2), (2,), (1,))
        rebuild = name("torch._utils", "_rebuild_parameter")
        parameter = rebuild + b"(" + plain + b"\x88" + ordered_dict() + b"tR"
        state = ordered_dict(entry("module.w", plain))
        versions = b"}" + text("_metadata") + ordered_dict() + b"sb"   # an attribute of every state_dict
        checkpoint = ordered_dict(entry("epoch", integer(3)) + entry("state_dict", state))
        for body in (state, state + versions, checkpoint, b"}(" + entry("model", state) + b"u",
                     b"}(" + entry("w", parameter) + b"u"):
            self.assertEqual(self.convert(zip_file(body, {"0": floats(1, 2)})),
                             {"w": ("F32", (2,), floats(1, 2))})

    def test_whatever_wraps_a_network_is_taken_off(self):
        plain = tensor(storage("FloatStorage", "0", 2), (2,), (1,))
        scalar = name("numpy.core.multiarray", "scalar") + b"(" + name("numpy", "dtype") + b"(" + text("f8")
        scalar += b"\x89\x88tRC\x08" + bytes(8) + b"tR"
        options = name("argparse", "Namespace") + b")R}" + text("lr") + integer(1) + b"sb"
        optimizer = b"}" + text("state") + b"}" + integer(0) + b"}" + text("exp_avg") + plain + b"sss"
        for prefix in ("", "module.", "model.", "net.", "model.module.", "_orig_mod.module."):
            state = ordered_dict(entry(prefix + "a.w", plain) + entry(prefix + "b.w", plain))
            rest = entry("best_acc", plain) + entry("best", scalar) + entry("args", options)
            for key in ("state_dict", "model_state_dict", "model", "net", "params_ema"):
                body = ordered_dict(rest + entry("optimizer", optimizer) + entry(key, state))
                self.assertEqual(list(self.convert(zip_file(body, {"0": floats(1, 2)}))), ["a.w", "b.w"])
        nested = b"}" + text("model") + b"}" + text("state_dict") + state + b"ss"
        self.assertEqual(list(self.convert(zip_file(nested, {"0": floats(1, 2)}))), ["a.w", "b.w"])

    def test_heads_are_left_out_on_request(self):
        stored = storage("FloatStorage", "0", 2)
        body = ordered_dict(b"".join(entry(key, tensor(stored, (2,), (1,)))
                                     for key in ("features.0.bias", "classifier.0.bias", "fc.bias")))
        data = zip_file(body, {"0": floats(1, 2)})
        self.assertEqual(list(self.convert(data)), ["features.0.bias", "classifier.0.bias", "fc.bias"])
        self.assertEqual(list(self.convert(data, "--without-heads")), ["features.0.bias"])


class OtherVggs(ConverterTest):
    """Names and pixels of Caffe and of the programs for neural style transfer."""
    weight = list(map(random.Random(3).uniform, [-1] * 54, [1] * 54))
    bias = [0.5, -2.0]

    def state(self, names, weight=None, kind="FloatStorage"):
        """A file of VGG's first layer under names[0] and whatever else under the other names."""
        first = entry(names[0] + ".weight", tensor(storage(kind, "w", 54), (2, 3, 3, 3), (27, 9, 3, 1)))
        first += entry(names[0] + ".bias", tensor(storage("FloatStorage", "b", 2), (2,), (1,)))
        others = b"".join(entry(one + ".bias", tensor(storage("FloatStorage", "b", 2), (2,), (1,)))
                          for one in names[1:])
        form = "<54e" if kind == "HalfStorage" else "<54f"
        return zip_file(ordered_dict(first + others), {"w": struct.pack(form, *(weight or self.weight)),
                                                       "b": floats(*self.bias)})

    def response(self, values, bias, pixel):
        """Of the layer to a picture of one colour."""
        return [b + sum(sum(values[27 * o + 9 * c:27 * o + 9 * c + 9]) * pixel[c] for c in range(3))
                for o, b in enumerate(bias)]

    def assert_turned(self, tensors, weight):
        values, bias = (struct.unpack(f"<{len(tensors[key][2]) // 4}f", tensors[key][2])
                        for key in ("features.0.weight", "features.0.bias"))
        for rgb in ((0, 0, 0), (1, 1, 1), (0.9, 0.1, 0.3), (0.485, 0.456, 0.406)):
            bgr = [255 * value - mean for value, mean in zip(rgb[::-1], (103.939, 116.779, 123.68))]
            ours = [(value - mean) / deviation for value, mean, deviation
                    in zip(rgb, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
            for a, b in zip(self.response(values, bias, ours), self.response(weight, self.bias, bgr)):
                self.assertAlmostEqual(a, b, delta=1e-6 * max(1, abs(b), max(map(abs, weight)) * 255))

    def test_names_of_caffe_are_turned_and_so_is_the_first_layer(self):
        names = ["conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv3_2", "conv4_1", "fc7"]
        tensors = self.convert(self.state(names))
        self.assertEqual(list(tensors), ["features.0.weight", "features.0.bias", "features.2.bias",
                                         "features.5.bias", "features.8.bias", "features.10.bias",
                                         "features.13.bias", "classifier.3.bias"])
        self.assert_turned(tensors, self.weight)
        self.assertEqual(tensors["features.2.bias"][2], floats(*self.bias))
        self.assertIn("taken for weights of Caffe", read_safetensors(self.target)[1]["assumed"])
        tensors = self.convert(self.state(["conv1_1"]), "--input", "torchvision")
        self.assertEqual(tensors["features.0.weight"][2], floats(*self.weight))
        half = [struct.unpack("<e", struct.pack("<e", value))[0] for value in self.weight]
        self.assert_turned(self.convert(self.state(["conv1_1"], kind="HalfStorage")), half)

    def test_the_layers_of_vgg19_and_vgg16_get_their_numbers(self):
        for counts, last in (((2, 2, 3, 3, 3), 28), ((2, 2, 4, 4, 4), 34), ((1, 1, 2, 2, 2), 18)):
            names = [f"conv{stage}_{i + 1}" for stage, count in enumerate(counts, 1) for i in range(count)]
            self.assertEqual(list(self.convert(self.state(names)))[-1], f"features.{last}.bias")

    def test_weights_for_large_pixels_under_usual_names_need_a_word(self):
        small = [value / 57 for value in self.weight]
        self.write(self.state(["features.0"], small))
        result = self.run_converter()
        self.assertEqual((result.returncode, result.stderr.count("\n")), (4, 1))
        self.assertIn("--input caffe takes them", result.stderr)
        self.assert_turned(self.convert(self.state(["features.0"], small), "--input", "caffe"), small)
        tensors = self.convert(self.state(["features.0"], small), "--input", "torchvision")
        self.assertEqual(tensors["features.0.weight"][2], floats(*small))
        tensors = self.convert(self.state(["features.0"]))
        self.assertEqual(tensors["features.0.weight"][2], floats(*self.weight))

    def test_the_features_alone_have_bare_numbers(self):
        self.assertEqual(list(self.convert(self.state(["0", "2"]))),
                         ["features.0.weight", "features.0.bias", "features.2.bias"])


class Refusals(ConverterTest):
    good = {"0": floats(1, 2)}

    def test_a_pickle_that_names_anything_else_runs_nothing(self):
        proof = self.path("proof")
        command = name("os", "system") + b"(" + text("touch " + proof) + b"tR"
        for module, attribute in (("os", "system"), ("builtins", "eval"), ("torch.nn.modules.conv", "Conv2d"),
                                  ("torch", "load"), ("collections", "OrderedDict.fromkeys")):
            body = name(module, attribute) + b"(" + text("touch " + proof) + b"tR"
            self.refuse(zip_file(body, {}), f"names {module}.{attribute}, which is refused")
            self.refuse(legacy_file(body, []), f"names {module}.{attribute}, which is refused")
        stack_global = b"\x80\x04" + b"\x8c\x02os\x8c\x06system\x93(" + text("touch " + proof) + b"tR."
        self.refuse(pickle.dumps(MAGIC, 2) + pickle.dumps(PROTOCOL, 2) + stack_global, "names os.system")
        self.refuse(b"\x80\x02" + command + b".", "names os.system")
        self.assertFalse(os.path.exists(proof))

    def test_attributes_cannot_be_planted(self):
        hidden = ordered_dict(entry("w", tensor(storage("FloatStorage", "0", 2), (2,), (1,))))
        planted = hidden + b"}" + text("items") + integer(1) + b"sb"
        self.assertEqual(list(self.convert(zip_file(planted, self.good))), ["w"])
        os.remove(self.target)
        on_marker = name("torch", "FloatStorage") + b"N}" + text("itemsize") + integer(1) + b"s\x86b"
        self.refuse(zip_file(on_marker, {}), "damaged pickle")

    def test_sizes_that_lie_are_refused(self):
        self.refuse(zip_file(one_tensor((3,)), self.good), "reach beyond the 2 elements")
        self.refuse(zip_file(one_tensor((2,), offset=1), self.good), "reach beyond")
        self.refuse(zip_file(one_tensor((2,), (2,)), self.good), "reach beyond")
        self.refuse(zip_file(one_tensor((1 << 40,), (0,)), self.good), "reach beyond")
        self.refuse(zip_file(one_tensor((1 << 61, 8)), self.good), "makes no sense")
        self.refuse(zip_file(one_tensor((1 << 40, 1 << 40, 0), (0, 0, 0)), self.good), "beyond all memory")
        self.refuse(zip_file(one_tensor((-2,)), self.good), "makes no sense")
        self.refuse(zip_file(one_tensor((2,), (-1,)), self.good), "makes no sense")
        self.refuse(zip_file(one_tensor(numel=1 << 50), self.good), "has 8 bytes in data/0, expected")
        self.refuse(zip_file(one_tensor(), {"0": floats(1)}), "has 4 bytes in data/0, expected 8")
        self.refuse(zip_file(one_tensor(), {}), "has no member data/0")
        self.refuse(legacy_file(one_tensor(), [("0", 1, floats(1))]), "1 elements in storage '0', expected 2")
        self.refuse(legacy_file(one_tensor(), [("0", 1 << 60, floats(1, 2))]), "is truncated in storage '0'")
        self.refuse(legacy_file(one_tensor(), [("0", -1, b"")]), "is truncated in storage '0'")
        self.refuse(legacy_file(one_tensor(), []), "has 0 elements in storage '0', expected 2")
        many = ordered_dict(b"".join(entry(f"w{i}", tensor(storage("FloatStorage", "0", 4000), (4000,), (1,)))
                                     for i in range(30)))
        self.refuse(zip_file(many, {"0": bytes(16000)}), "claims 480000 bytes of tensors")

    def test_compressed_members_are_refused_unread(self):
        bomb = zip_file(one_tensor(numel=1 << 22), {"0": bytes(1 << 24)}, compression=zipfile.ZIP_DEFLATED)
        self.refuse(bomb, "compressed member")

    def test_keys_are_no_paths(self):
        with open(self.path("secret"), "wb") as stream:
            stream.write(floats(1, 2))
        body = ordered_dict(entry("w", tensor(storage("FloatStorage", "../../secret", 2), (2,), (1,))))
        self.write(zip_file(body, {}))
        self.assertIn("has no member data/../../secret", self.run_converter().stderr)
        self.assertFalse(os.path.exists(self.target))

    def test_pickles_that_ask_for_memory_are_refused(self):
        self.refuse(zip_file(b"Nr\xff\xff\xff\x7f", {}), "holds no state_dict")   # an index of the memo
        self.refuse(zip_file(b"X\xff\xff\xff\xff", {}), "damaged pickle")
        self.refuse(zip_file(b"(" * 1000000, {}), "damaged pickle")

    def refuse_soon(self, data, expected):
        start = time.process_time()
        self.refuse(data, expected)
        self.assertLess(time.process_time() - start, 10)

    def test_names_that_swag_does_not_read_are_refused(self):
        body = ordered_dict(entry("w\33[31m", tensor(storage("FloatStorage", "0", 2), (2,), (1,))))
        self.refuse(zip_file(body, self.good), "an absurd name: w?[31m")

    def test_numbers_that_share_their_hashes_are_refused(self):
        pairs = b"".join(integer(i * ((1 << 61) - 1)) + integer(1) + b"\x86" for i in range(1, 3000))
        calls = b"".join([name("collections", "OrderedDict") + b"h\0\x85R0"] * 600)
        self.refuse_soon(zip_file(b"](" + pairs + b"eq\0" + calls, {}), "key is neither")
        self.refuse_soon(zip_file(b"}" + pickle.dumps(2.5, 2)[2:-1] + integer(1) + b"s", {}), "key is neither")

    def test_keys_that_take_for_ever_are_refused(self):
        shared = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(40))
        deep = b")" + b"\x85" * 200000
        no_key = "key is neither"
        self.refuse_soon(zip_file(b"}" + deep + integer(1) + b"s", {}), no_key)
        for key in (shared, deep[:20000]):
            for body in (b"}" + key + integer(1) + b"s", b"}(" + key + integer(1) + b"u",
                         name("collections", "OrderedDict") + b"(](" + key + integer(1) + b"\x86etR"):
                self.refuse_soon(zip_file(body, {}), no_key)
                self.refuse_soon(legacy_file(body, []), no_key)
            self.refuse_soon(zip_file(key + b"Q", {}), "no tensor storage")
            self.refuse_soon(zip_file(key + text("x") + b"\x93", {}), "a name that is no text")
            self.refuse_soon(zip_file(key, {}), "holds no state_dict")
            self.refuse_soon(zip_file(ordered_dict(entry("w", key)), {}), "holds no state_dict")
        self.refuse_soon(zip_file(b"}" + text("k" * 100000) + integer(1) + b"s", {}), no_key)

    def test_pickles_of_too_many_steps_are_refused(self):
        self.refuse_soon(zip_file(b"N0" * 2, {}), "no instruction")
        self.refuse_soon(zip_file(b"N" * 2000001, {}), "more steps")
        again = b"](" + b"N" * 50000 + b"eq\x01" + (name("collections", "OrderedDict") + b"(h\x01tR") * 20000
        self.refuse_soon(zip_file(again, {}), "damaged pickle")
        items = b"(" + b"N" * 100000 + b"tq\x01" + (name("torch", "Size") + b"h\x01R") * 20000
        self.refuse_soon(zip_file(items, {}), "damaged pickle")

    def test_members_that_overlap_are_refused(self):
        data = bytearray(zip_file(one_tensor(), {str(i): floats(1, 2) for i in range(9)}))
        at = data.find(b"PK\1\2")
        while at >= 0:   # each claims half of the file
            data[at + 20:at + 28] = struct.pack("<II", len(data) // 2, len(data) // 2)
            at = data.find(b"PK\1\2", at + 1)
        self.refuse_soon(bytes(data), "members that overlap")

    def test_a_long_list_of_members_is_not_read(self):
        size = 9 << 20
        end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, size, 4, 0)
        self.refuse_soon(b"PK\3\4" + bytes(size) + end, "lists more members")

    def test_damage_is_reported_in_one_line(self):
        data = zip_file(one_tensor((2000,), numel=2000), {"0": bytes(8000)})
        flipped = bytearray(data)
        flipped[data.index(bytes(8000)) + 4000] ^= 1
        self.refuse(bytes(flipped), "damaged member data/0")
        for length in (4, 50, len(data) // 2, len(data) - 10):
            self.refuse(data[:length], "damaged or truncated zip file")
        legacy = legacy_file(one_tensor(), [("0", 2, floats(1, 2))])
        for length in range(1, len(legacy)):
            self.refuse(legacy[:length], "in.pth: ")

    def test_random_damage_never_ends_in_an_exception(self):
        chance = random.Random(7)
        for data in (zip_file(one_tensor(), self.good), legacy_file(one_tensor(), [("0", 2, floats(1, 2))])):
            for _ in range(300):
                damaged = bytearray(data)
                for _ in range(chance.randint(1, 4)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                self.write(bytes(damaged))
                result = self.run_converter("--overwrite")
                self.assertIn(result.returncode, (0, 4), result.stderr)

    def test_other_files_are_named(self):
        self.refuse(b"<!DOCTYPE html>" + bytes(100), "web page")
        self.refuse(b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer")
        self.refuse(struct.pack("<Q", 2) + b"{}", "safetensors file already")
        self.refuse(b"", "no file of torch.save")
        self.refuse(legacy_file(one_tensor(), [], magic=7), "not of torch.save")
        self.refuse(zip_file(ordered_dict(entry("w", integer(1))), {}), "holds no state_dict")
        self.refuse(zip_file(one_tensor(kind="LongStorage"), {"0": bytes(16)}), "no floating-point tensor")

    def test_terminal_codes_of_a_file_do_not_reach_the_terminal(self):
        body = ordered_dict(entry("\x1b[31m\nw", tensor(storage("FloatStorage", "0", 2), (3,), (1,))))
        self.refuse(zip_file(body, self.good), "has ?[31m w of shape")


class Work(ConverterTest):
    """Files whose work is more than their size; `limit` is many times the processor seconds that it takes."""
    limit = 10

    def convert_soon(self, data):
        start = time.process_time()
        tensors = self.convert(data)
        self.assertLess(time.process_time() - start, self.limit)
        return tensors

    def test_tensors_that_alternate_between_storages_read_each_once(self):
        size = 1 << 20
        kept = [storage("FloatStorage", key, size) for key in "01"]
        for stride, shape in (((1,), (1,)), ((size // 3,), (3,))):
            body = ordered_dict(b"".join(entry(f"w{i}", tensor(kept[i % 2], shape, stride, i % 7))
                                         for i in range(20000)))
            data = struct.pack(f"<{size}f", *range(size))
            tensors = self.convert_soon(zip_file(body, {"0": data, "1": bytes(4 * size)}))
            self.assertEqual(tensors["w4"][2][:4], floats(4))
            self.assertEqual(tensors["w5"][2][:4], floats(0))
            self.assertEqual(list(tensors), [f"w{i}" for i in range(20000)])
            tensors = self.convert_soon(legacy_file(body, [("0", size, data), ("1", size, bytes(4 * size))]))
            self.assertEqual(tensors["w4"][2][:4], floats(4))

    def test_views_of_one_old_storage_read_it_once(self):
        size = 1 << 20
        body = b"".join(
            entry(f"w{i}", tensor(storage("FloatStorage", "0", size, b"(" + text("v") + integer(i)
                                          + integer(size - i) + b"t"), (1,), (1,))) for i in range(5000))
        data = struct.pack(f"<{size}f", *range(size))
        tensors = self.convert_soon(legacy_file(ordered_dict(body), [("0", size, data)]))
        self.assertEqual(tensors["w9"][2], floats(9))

    def test_strides_are_followed_line_by_line(self):
        size = 1 << 20
        data = struct.pack(f"<{size}f", *range(size))
        stored = storage("FloatStorage", "0", size)
        shapes = {"column": ((size // 2, 1), (2, 1)), "turned": ((size // 2, 2), (1, size // 2)),
                  "repeated": ((2, size // 4), (0, 3)), "flat": ((1, 1, size // 2, 1), (7, 9, 2, 5))}
        body = ordered_dict(b"".join(entry(key, tensor(stored, *value)) for key, value in shapes.items()))
        tensors = self.convert_soon(zip_file(body, {"0": data}))
        for key, (shape, stride) in shapes.items():
            count = len(tensors[key][2]) // 4
            for flat in (0, 1, 2, count // 2 + 1, count - 1):
                rest, at = flat, 0
                for extent, step in zip(reversed(shape), reversed(stride)):
                    at += rest % extent * step
                    rest //= extent
                self.assertEqual(tensors[key][2][4 * flat:4 * flat + 4], floats(at), (key, flat))


class Output(ConverterTest):
    good = zip_file(one_tensor(), {"0": floats(1, 2)})

    def test_an_existing_file_is_replaced_only_on_request(self):
        self.write(self.good)
        with open(self.target, "w") as stream:
            stream.write("precious")
        self.assertEqual(self.run_converter().returncode, 8)
        with open(self.target) as stream:
            self.assertEqual(stream.read(), "precious")
        self.assertEqual(self.run_converter("--overwrite").returncode, 0)
        self.assertEqual(sorted(os.listdir(self.folder)), ["in.pth", "out.safetensors"])

    def test_the_script_runs_alone(self):
        self.write(self.good)
        command = [sys.executable, "-I", CONVERTER, "--", self.source, self.target]
        first, second = (subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                         for _ in range(2))
        self.assertEqual((first.returncode, first.stderr), (0, b""))
        self.assertEqual(first.stdout.decode(), f"{self.target}: 1 tensors\n")
        self.assertEqual((second.returncode, second.stdout), (8, b""))
        self.assertIn(b"out.safetensors: exists already; --overwrite replaces it", second.stderr)

    def test_a_file_that_is_being_written_is_locked_and_called_as_leftovers_are(self):
        """src/support/atomic_write.cpp removes files of that name that nobody has a lock on."""
        def chunks():
            part, = os.listdir(self.folder)
            self.assertRegex(part, r"^\.swag-[0-9a-f]{16}\.part$")
            with open(self.path(part), "rb") as stream, self.assertRaises(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield b"data"
        converter.write_atomically(self.target, b"header", chunks())
        self.assertEqual(os.listdir(self.folder), ["out.safetensors"])

    def test_a_file_that_is_replaced_hands_on_its_permissions(self):
        self.write(self.good)
        for mode in (0o600, 0o640, 0o666, 0o444):
            with open(self.target, "w"):
                os.chmod(self.target, mode)
            if os.geteuid() == 0:
                os.chown(self.target, 12345, 54321)
            before = os.stat(self.target)
            self.assertEqual(self.run_converter("--overwrite").returncode, 0)
            after = os.stat(self.target)
            self.assertNotEqual(after.st_size, 0)
            self.assertEqual((after.st_mode, after.st_uid, after.st_gid),
                             (before.st_mode, before.st_uid, before.st_gid))
            os.remove(self.target)

    def test_a_group_that_cannot_be_kept_hands_its_rights_to_nobody(self):
        old = os.stat_result((0o100675, 0, 0, 1, os.geteuid(), os.getegid() + 1, 0, 0, 0, 0))
        with open(self.target, "w") as stream, \
                unittest.mock.patch.object(converter.os, "fchown", side_effect=PermissionError):
            converter.take_over(stream.fileno(), old)
        self.assertEqual(os.stat(self.target).st_mode & 0o7777, 0o655)

    def test_a_link_stays_and_what_it_leads_to_is_replaced(self):
        self.write(self.good)
        os.symlink("real", self.target)
        self.assertEqual(self.run_converter().returncode, 8)
        self.assertEqual(self.run_converter("--overwrite").returncode, 0)
        self.assertTrue(os.path.islink(self.target))
        self.assertEqual(list(read_safetensors(self.path("real"))[0]), ["w"])

    def start_slow(self, **options):
        """The script, writing to a file that never ends; it has said so on standard output."""
        self.write(self.good)
        slow = ("import runpy, sys, time, zipfile\n"
                "read = zipfile.ZipFile.read\n"
                "def slow(*a):\n"
                "    if a[1].filename.endswith('/0'): print('ready', flush=True); time.sleep(60)\n"
                "    return read(*a)\n"
                "zipfile.ZipFile.read = slow\n"
                "sys.argv = sys.argv[1:]\n"
                "runpy.run_path(sys.argv[0], run_name='__main__')")
        process = subprocess.Popen([sys.executable, "-c", slow, CONVERTER, self.source, self.target],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def test_a_signal_ends_it_and_leaves_no_half_file(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            process = self.start_slow()
            self.assertRegex(" ".join(os.listdir(self.folder)), r"\.swag-[0-9a-f]{16}\.part")
            process.send_signal(number)
            process.send_signal(number)
            self.assertEqual(process.communicate(timeout=20), (b"", b""))
            self.assertEqual(process.returncode, 128 + number)
            self.assertEqual(os.listdir(self.folder), ["in.pth"])

    def test_a_signal_that_was_ignored_stays_ignored(self):
        process = self.start_slow(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)

    def test_too_little_memory_is_told_in_one_line(self):
        def without_memory(*_arguments, **_options):
            raise MemoryError
        for place in ("argparse.ArgumentParser", "collections.namedtuple", "zipfile.ZipFile",
                      "zipfile.ZipFile.read"):
            module = place.partition(".")[0]
            deny = (f"import sys, {module}\n"
                    "def deny(*a, **o): raise MemoryError\n"
                    f"{place} = deny\n"
                    "sys.argv = sys.argv[1:]\n"
                    "exec(open(sys.argv[0]).read())")
            self.write(self.good)
            result = subprocess.run([sys.executable, "-c", deny, CONVERTER, self.source, self.target],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual((result.returncode, result.stderr.count(b"\n")), (6, 1), (place, result.stderr))

    def test_exit_codes(self):
        self.assertEqual(self.run_converter().returncode, 4)   # no input
        self.write(self.good)
        self.assertEqual(self.run_converter("--no-such-option").returncode, 2)
        self.target = self.source
        self.assertEqual(self.run_converter("--overwrite").returncode, 2)
        self.target = self.path("no/out")
        result = self.run_converter()
        self.assertEqual((result.returncode, result.stderr.count("\n")), (8, 1))
        self.assertIn("no/out: cannot be written", result.stderr)


@unittest.skipIf(torch is None, "SKIP: torch cannot be imported; its own files are not tested")
class Torch(ConverterTest):
    def check(self, saved, expected):
        for new in (True, False):
            torch.save(saved, self.source, _use_new_zipfile_serialization=new)
            result = self.run_converter("--overwrite")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            tensors, _ = read_safetensors(self.target)
            self.assertEqual(list(tensors), list(expected))
            for key, value in expected.items():
                integers_of_size = torch.int16 if value.element_size() == 2 else torch.int32
                bits = value.detach().contiguous().view(integers_of_size).numpy().tobytes()
                self.assertEqual(tensors[key][1:], (tuple(value.shape), bits), key)

    def test_a_network_with_batch_norms(self):
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.Linear(4, 2))
        state = net.state_dict()
        expected = {key: value for key, value in state.items() if "num_batches" not in key}
        self.check(state, expected)
        self.check({"epoch": 3, "lr": 0.1, "state_dict": state}, expected)
        self.check(dict(net.named_parameters()), dict(net.named_parameters()))
        self.check(torch.nn.DataParallel(net).state_dict(), expected)

    def test_types_and_strides(self):
        x = torch.randn(4, 6, 3, 5)
        state = {"half": x.half(), "bfloat16": x.bfloat16(), "transposed": x.transpose(0, 2),
                 "sliced": x[1:3, ::2, :, 1:], "channels_last": x.to(memory_format=torch.channels_last),
                 "half_turned": x.half().permute(3, 1, 0, 2), "scalar": torch.tensor(1.5),
                 "empty": torch.zeros(0, 3), "tied": x}
        self.check(state, state)
        self.check({"double": x.double() / 3}, {"double": (x.double() / 3).float()})

    def test_a_whole_module_is_refused(self):
        torch.save(torch.nn.Linear(2, 2), self.source)
        result = self.run_converter()
        self.assertEqual(result.returncode, 4)
        self.assertIn("names torch.nn.modules.linear.Linear, which is refused", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)   # which prints the reason of a skip
