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
import math
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
        body = ordered_dict(entry("fc.b", tensor(storage("FloatStorage", "0", 4), (2, 2), (2, 1))))
        expected = {"fc.b": ("F32", (2, 2), self.values)}
        self.assertEqual(self.convert(zip_file(body, {"0": self.values})), expected)
        self.assertEqual(self.convert(legacy_file(body, [("0", 4, self.values)])), expected)
        with open(self.source, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        self.assertEqual(read_safetensors(self.target)[1],
                         {"format": "pt", "converted_from": "in.pth", "source_sha256": digest})

    def test_big_endian_files_are_turned(self):
        swapped = struct.pack(">4f", *struct.unpack("<4f", self.values))
        body = one_tensor((4,), numel=4)
        expected = {"fc.w": ("F32", (4,), self.values)}
        self.assertEqual(self.convert(zip_file(body, {"0": swapped}, b"big")), expected)
        self.assertEqual(self.convert(legacy_file(body, [("0", 4, swapped)], little_endian=False)), expected)

    def test_strided_offset_shared_scalar_and_empty_tensors_become_contiguous(self):
        data = floats(*range(12))
        shared = storage("FloatStorage", "0", 12)
        body = ordered_dict(entry("fc.transposed", tensor(shared, (4, 3), (1, 4)))
                            + entry("fc.tail", tensor(shared, (2,), (1,), 10))
                            + entry("fc.column", tensor(shared, (3,), (4,), 1))
                            + entry("fc.scalar", tensor(shared, (), (), 7))
                            + entry("fc.empty", tensor(shared, (0, 3), (3, 1)))
                            + entry("fc.last", tensor(shared, (2, 1, 3), (4, 99, 1), 5)))
        expected = {"fc.transposed": ("F32", (4, 3), floats(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)),
                    "fc.tail": ("F32", (2,), floats(10, 11)), "fc.column": ("F32", (3,), floats(1, 5, 9)),
                    "fc.scalar": ("F32", (), floats(7)), "fc.empty": ("F32", (0, 3), b""),
                    "fc.last": ("F32", (2, 1, 3), floats(5, 6, 7, 9, 10, 11))}
        self.assertEqual(self.convert(zip_file(body, {"0": data})), expected)
        self.assertEqual(self.convert(legacy_file(body, [("0", 12, data)])), expected)

    def test_legacy_storage_views_read_their_part(self):
        view = b"(" + text("view") + integer(1) + integer(2) + b"t"
        body = ordered_dict(entry("fc.w", tensor(storage("FloatStorage", "0", 4, view), (2,), (1,))))
        self.assertEqual(self.convert(legacy_file(body, [("0", 4, self.values)])),
                         {"fc.w": ("F32", (2,), self.values[4:12])})

    def test_doubles_are_rounded_halves_kept_and_integers_left_out(self):
        kinds = {"DoubleStorage": struct.pack("<2d", 0.1, -1e-50), "HalfStorage": b"\0\x3c\1\0",
                 "BFloat16Storage": b"\x80\x3f\1\x7f", "LongStorage": bytes(16), "BoolStorage": b"\0\1"}
        body = ordered_dict(b"".join(entry("fc." + kind, tensor(storage(kind, kind, 2), (2,), (1,)))
                                     for kind in kinds))
        self.assertEqual(self.convert(zip_file(body, kinds)),
                         {"fc.DoubleStorage": ("F32", (2,), floats(0.1, -0.0)),
                          "fc.HalfStorage": ("F16", (2,), b"\0\x3c\1\0"),
                          "fc.BFloat16Storage": ("BF16", (2,), b"\x80\x3f\1\x7f")})

    def test_checkpoints_and_wrapped_modules_are_unpacked(self):
        plain = tensor(storage("FloatStorage", "0", 2), (2,), (1,))
        rebuild = name("torch._utils", "_rebuild_parameter")
        parameter = rebuild + b"(" + plain + b"\x88" + ordered_dict() + b"tR"
        state = ordered_dict(entry("module.fc.w", plain))
        versions = b"}" + text("_metadata") + ordered_dict() + b"sb"   # an attribute of every state_dict
        checkpoint = ordered_dict(entry("epoch", integer(3)) + entry("state_dict", state))
        for body in (state, state + versions, checkpoint, b"}(" + entry("model", state) + b"u",
                     b"}(" + entry("fc.w", parameter) + b"u"):
            self.assertEqual(self.convert(zip_file(body, {"0": floats(1, 2)})),
                             {"fc.w": ("F32", (2,), floats(1, 2))})

    def test_heads_are_left_out_on_request(self):
        stored = storage("FloatStorage", "0", 2)
        body = ordered_dict(b"".join(entry(key, tensor(stored, (2,), (1,)))
                                     for key in ("features.0.bias", "classifier.0.bias", "fc.bias")))
        data = zip_file(body, {"0": floats(1, 2)})
        self.assertEqual(list(self.convert(data)), ["features.0.bias", "classifier.0.bias", "fc.bias"])
        self.assertEqual(list(self.convert(data, "--without-heads")), ["features.0.bias"])


class Names(ConverterTest):
    """Which tensors of a file are the network, and what they are called."""
    first = {"features.0.weight": (2, 3, 3, 3), "features.0.bias": (2,)}

    count = 30000   # of the zeros in a file

    def state(self, shapes):
        """A dictionary of tensors of nothing but zeros."""
        return ordered_dict(b"".join(
            entry(name, tensor(storage("FloatStorage", "0", self.count), shape, (0,) * len(shape)))
            for name, shape in shapes.items()))

    def file(self, body):
        return zip_file(body, {"0": bytes(4 * self.count)})

    def names(self, shapes):
        return list(self.convert(self.file(self.state(shapes))))

    def refuse_names(self, shapes, *expected):
        self.refuse(self.file(self.state(shapes)), expected[0])
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            converter.main([self.source, self.target])
        for one in (*expected, "the first names in it: " + next(iter(shapes))):
            self.assertIn(one, errors.getvalue())

    def test_what_wraps_a_network_is_taken_off(self):
        names = list(self.first)
        for prefix in ("", "module.", "model.", "net.", "network.", "backbone.", "encoder.vgg.", "_orig_mod.",
                       "model.module.", "_orig_mod.module.", "module._orig_mod.", "_forward_module.model."):
            for shapes in (self.first, {"conv1.weight": (2, 3, 7, 7), "layer1.0.conv1.weight": (2, 2, 1, 1)}):
                self.assertEqual(self.names({prefix + name: shape for name, shape in shapes.items()}), list(shapes))
        self.assertEqual(self.names({"features.module.0.weight": (2, 3, 3, 3), "features.module.0.bias": (2,)}), names)
        self.assertEqual(self.names({"0.weight": (2, 3, 3, 3), "0.bias": (2,)}), names)
        self.assertEqual(self.names({"vgg.0.weight": (2, 3, 3, 3), "vgg.0.bias": (2,)}), names)
        twice = {"module.features.0.weight": (2, 3, 3, 3), "features.0.weight": (2, 3, 3, 3)}
        os.remove(self.target)
        self.refuse(self.file(self.state(twice)), "several tensors of one name")

    def test_a_network_is_found_where_training_scripts_keep_it(self):
        wrapped = self.state({"module." + name: shape for name, shape in self.first.items()})
        one = tensor(storage("FloatStorage", "0", self.count), (1,), (1,))
        scalar = name("numpy.core.multiarray", "scalar") + b"(" + name("numpy", "dtype") + b"(" + text("f8")
        scalar += b"\x89\x88tRC\x08" + bytes(8) + b"tR"
        options = name("argparse", "Namespace") + b")R}" + text("lr") + integer(1) + b"sb"
        optimizer = b"}" + text("state") + b"}" + integer(0) + b"}" + text("exp_avg") + one + b"sss"
        beside = (entry("best_acc1", one) + entry("best", scalar) + entry("args", options) + entry("aux_best", one)
                  + entry("optimizer", optimizer) + entry("loss", b"G?\xe0" + bytes(6)))
        for key in (*converter.NESTED, "generator"):
            for body in (ordered_dict(beside + entry(key, wrapped)), ordered_dict(entry(key, wrapped) + beside),
                         ordered_dict(entry("model", ordered_dict(beside + entry(key, wrapped))) + beside)):
                self.assertEqual(list(self.convert(self.file(body))), list(self.first), key)
        averaged = self.state({"features.0.weight": (4, 3, 3, 3)})
        body = ordered_dict(entry("state_dict", wrapped) + entry("state_dict_ema", averaged))
        self.assertEqual(list(self.convert(self.file(body)).values())[0][1], (4, 3, 3, 3))

    def test_a_dictionary_within_itself_ends(self):
        body = b"}q\1" + text("model") + b"h\1s" + entry("state_dict", self.state(self.first)) + b"s"
        self.assertEqual(list(self.convert(self.file(body))), list(self.first))

    def test_classifiers_of_timm_and_of_neural_style_are_heads(self):
        heads = {"pre_logits.fc1.weight": (4, 2, 7, 7), "head.fc.weight": (2, 4), "classifier.1.weight": (4, 98)}
        self.write(self.file(self.state({**self.first, **heads})))
        self.assertEqual(self.run_converter("--without-heads").returncode, 0)
        self.assertEqual(list(read_safetensors(self.target)[0]), list(self.first))

    def test_what_is_no_network_of_swags_is_refused_with_the_first_names(self):
        known = "holds no network that swag knows"
        self.refuse_names({"cls_token": (1, 1, 8), "patch_embed.proj.weight": (8, 3, 16, 16)}, known)
        self.refuse_names({"conv1.0.weight": (32, 3, 3, 3), "bn1.weight": (64,)}, known)   # timm's resnet50d
        self.refuse_names({"features.conv0.weight": (64, 3, 7, 7)}, known)   # DenseNet
        self.refuse_names({"features.0.0.weight": (32, 3, 3, 3), "features.18.0.weight": (1, 1, 1, 1),
                           "features.2.conv.0.0.weight": (1, 1, 1, 1)}, known)   # MobileNet
        self.refuse_names({**self.first, "extras.0.weight": (1, 1, 1, 1)}, known)   # SSD
        self.refuse_names({"x": (1,)}, known)
        self.refuse_names({"features.0.weight": (64, 3, 11, 11), "features.0.bias": (64,)},
                          "has features.0.weight of shape (64, 3, 11, 11), vgg11 needs (64, 3, 3, 3)")   # AlexNet
        one = "features.0.weight"
        self.refuse_names({"a." + one: (2, 3, 3, 3), "b." + one: (2, 3, 3, 3)}, "several networks, under a., b.")

    def test_networks_of_another_width_or_depth_are_refused(self):
        thin = {name: shape[:1] + (2,) * (len(shape) > 1 and shape[1] > 3) + shape[1 + (len(shape) > 1 and shape[1] > 3):]
                for name, shape in converter.NETWORKS["vgg16"].items()}
        self.refuse_names(thin, "has features.2.weight of shape (64, 2, 3, 3), vgg16 needs (64, 64, 3, 3)")
        grouped = {name: (shape[0], 4, 3, 3) if name.endswith("conv2.weight") else shape
                   for name, shape in converter.NETWORKS["resnet50"].items()}   # ResNeXt
        self.refuse_names(grouped, "has layer1.0.conv2.weight of shape (64, 4, 3, 3), resnet50 needs")
        shallow = {name: shape for name, shape in converter.NETWORKS["resnet50"].items() if ".2." not in name}
        self.refuse_names(shallow, "has the names of resnet50, but not layer1.2.conv1.weight")

    def test_a_whole_network_is_taken_out_of_something_larger(self):
        network = converter.NETWORKS["resnet18"]
        larger = {**{"body." + name: shape for name, shape in network.items()}, "rpn.conv.weight": (8, 8, 3, 3),
                  "loss.weight": (3,), "slice1.0.weight": (2, 3, 3, 3)}
        self.count = 3000000
        self.assertEqual(self.names(larger), list(network))
        self.assertEqual(read_safetensors(self.target)[1]["assumed"],
                         "taken from under body., 3 other tensors left out")

    def test_safetensors_under_other_names_are_converted(self):
        def file(header, data):
            header = json.dumps(header).encode()
            return struct.pack("<Q", len(header)) + header + data
        values = list(map(float, range(54)))
        entries = {"model.features.0.bias": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]},
                   "model.features.0.weight": {"dtype": "F32", "shape": [2, 3, 3, 3], "data_offsets": [16, 232]}}
        data = struct.pack("<2d", 1, 2) + floats(*values)
        for metadata in ({}, {"__metadata__": {"format": "pt"}}):
            tensors = self.convert(file({**metadata, **entries}, data))
            self.assertEqual(tensors, {"features.0.bias": ("F32", (2,), floats(1, 2)),
                                       "features.0.weight": ("F32", (2, 3, 3, 3), floats(*values))})
        os.remove(self.target)
        for header, problem in ((entries, "is truncated"), ({"a": 1}, "damaged header"),
                                ({"fc.a": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}}, "the type F8"),
                                ({"fc.a": {"dtype": "U8", "shape": [1] * 9, "data_offsets": [0, 1]}}, "no sense"),
                                ({"fc.a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, "no sense"),
                                ({"fc.a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, "has 4 bytes")):
            self.refuse(file(header, b"1234"), problem)
        self.refuse(struct.pack("<Q", 1 << 60) + b"{}", "is a truncated safetensors file")
        self.refuse(struct.pack("<Q", 400000) + b'{"a":' * 80000, "damaged header")


class OtherVggs(ConverterTest):
    """Names and pixels of Caffe and of the programs for neural style transfer."""
    weight = list(map(random.Random(3).uniform, [-1] * 54, [1] * 54))
    bias = [0.5, -2.0]

    def state(self, names, weight=None, kind="FloatStorage", bias=None):
        """A file of VGG's first layer under names[0] and whatever else under the other names."""
        weight, bias = weight or self.weight, bias or self.bias
        count = len(bias)
        first = entry(names[0] + ".weight", tensor(storage(kind, "w", 27 * count), (count, 3, 3, 3), (27, 9, 3, 1)))
        others = b"".join(entry(one + ".bias", tensor(storage("FloatStorage", "b", count), (count,), (1,)))
                          for one in names)
        form = f"<{27 * count}{'e' if kind == 'HalfStorage' else 'f'}"
        return zip_file(ordered_dict(first + others), {"w": struct.pack(form, *weight), "b": floats(*bias)})

    @staticmethod
    def answers(weight, bias, picture, size):
        """Of a 3x3 layer to a picture {(channel, row, column): value} of size x size, with zeros around it."""
        return {(out, row, column): bias[out] + math.fsum(
                    weight[27 * out + 9 * c + 3 * i + j] * picture.get((c, row + i - 1, column + j - 1), 0)
                    for c in range(3) for i in range(3) for j in range(3))
                for out in range(len(bias)) for row in range(size) for column in range(size)}

    def assert_turned(self, tensors, weight, bias=None):
        """To torchvision's pixels the converted layer answers as the other one to Caffe's: within a picture by the
        digits of float32, at its rim by half a grey level, the difference of the means."""
        ours_w, ours_b = (struct.unpack(f"<{len(tensors[key][2]) // 4}f", tensors[key][2])
                          for key in ("features.0.weight", "features.0.bias"))
        bias, size, chance = bias or self.bias, 5, random.Random(1)
        rgb = {(c, i, j): chance.randrange(256) for c in range(3) for i in range(size) for j in range(size)}
        bgr = {(2 - c, i, j): value - (123.68, 116.779, 103.939)[c] for (c, i, j), value in rgb.items()}
        ours = {(c, i, j): (value / 255 - (0.485, 0.456, 0.406)[c]) / (0.229, 0.224, 0.225)[c]
                for (c, i, j), value in rgb.items()}
        turned, expected = self.answers(ours_w, ours_b, ours, size), self.answers(weight, bias, bgr, size)
        largest = 255 * max(map(abs, weight))
        for (out, row, column), value in turned.items():
            inside = 0 < row < size - 1 and 0 < column < size - 1
            rim = 0.5 * math.fsum(map(abs, weight[27 * out:27 * out + 27]))
            self.assertAlmostEqual(value, expected[out, row, column], delta=3e-6 * largest + (0 if inside else rim))
        self.assertNotAlmostEqual(turned[0, 0, 0], expected[0, 0, 0], delta=1e-5 * largest)   # so that it can fail

    def assumed(self):
        return read_safetensors(self.target)[1].get("assumed", "")

    def test_names_of_caffe_are_turned_and_so_is_the_first_layer(self):
        names = ["conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv3_2", "conv4_1", "fc7"]
        tensors = self.convert(self.state(names))
        self.assertEqual(list(tensors), ["features.0.weight", "features.0.bias", "features.2.bias",
                                         "features.5.bias", "features.10.bias", "features.12.bias",
                                         "features.15.bias", "classifier.3.bias"])
        self.assert_turned(tensors, self.weight)
        self.assertEqual(tensors["features.2.bias"][2], floats(*self.bias))
        self.assertIn("its layers are called conv1_1", self.assumed())
        tensors = self.convert(self.state(["conv1_1"]), "--pixels", "torchvision")
        self.assertEqual(tensors["features.0.weight"][2], floats(*self.weight))
        self.assertEqual(read_safetensors(self.target)[1]["pixels"], "torchvision")
        half = [struct.unpack("<e", struct.pack("<e", value))[0] for value in self.weight]
        self.assert_turned(self.convert(self.state(["conv1_1"], kind="HalfStorage")), half)

    def test_the_layers_of_vgg19_and_vgg16_get_their_numbers(self):
        for counts, last in (((2, 2, 3, 3, 3), 28), ((2, 2, 4, 4, 4), 34), ((1, 1, 2, 2, 2), 18)):
            names = [f"conv{stage}_{i + 1}" for stage, count in enumerate(counts, 1) for i in range(count)]
            self.assertEqual(list(self.convert(self.state(names)))[-1], f"features.{last}.bias")
            self.assertEqual(list(self.convert(self.state(["model." + one for one in names])))[-1],
                             f"features.{last}.bias")
        self.assertEqual(list(self.convert(self.state(["conv1_1", "conv5_4"])))[-1], "features.34.bias")

    def test_the_files_of_neural_style_are_known_by_their_names(self):
        for base in ("vgg19-d01eb7cb.pth", "old/VGG16-00b39a1b (1).pth", "d01eb7cb"):
            self.assert_turned(self.convert(self.state(["features.0"]), "--name", base), self.weight)
            self.assertIn("it is neural-style's file", self.assumed())
        with unittest.mock.patch.object(converter, "sha256_of", return_value="00b39a1b" + "0" * 56):
            self.assert_turned(self.convert(self.state(["features.0"])), self.weight)
        for base in ("vgg19-dcbb9e9d.pth", "d01eb7cb/vgg19.pth"):
            tensors = self.convert(self.state(["features.0"]), "--name", base)
            self.assertEqual(tensors["features.0.weight"][2], floats(*self.weight))
        self.convert(self.state(["features.0"]), "--name", "vgg19-d01eb7cb.pth", "--pixels", "torchvision")
        self.assertEqual(self.assumed(), "")

    def test_a_first_layer_for_large_pixels_is_known_by_its_values(self):
        small = [value / 57 for value in self.weight]
        self.assert_turned(self.convert(self.state(["features.0"], small)), small)
        self.assertIn("as for pixels from 0 to 255: first layer turned", self.assumed())
        self.assertIn("--pixels torchvision leaves it as it is", self.assumed())
        tensors = self.convert(self.state(["features.0"], small), "--pixels", "torchvision")
        self.assertEqual(tensors["features.0.weight"][2], floats(*small))
        self.assert_turned(self.convert(self.state(["features.0"]), "--pixels", "caffe"), self.weight)
        tensors = self.convert(self.state(["features.0"]))
        self.assertEqual(tensors["features.0.weight"][2], floats(*self.weight))

    def test_the_vggs_of_caffe_are_known_by_their_first_filter_and_biases(self):
        """Whose weights are as large as torchvision's. Here: of VGG19, as far as they have been printed."""
        plane = [0.341195, 0.339992, -0.0448442, 0.232159, 0.0897821, -0.303314, -0.0726092, -0.246675, -0.336833]
        bias = [0.7301776, 0.06493629, 0.03428847, 0.8260386, 0.2578029, 0.54867655, -0.012438543, 0.34789944,
                0.5510871, 0.06297145]
        weight = [factor * value for factor in (1, 1.36, 1.16) for value in plane]
        weight += list(map(random.Random(4).gauss, [0] * 243, [0.18] * 243))
        self.assert_turned(self.convert(self.state(["features.0"], weight, bias=bias)), weight, bias)
        self.assertIn("the VGGs first published, for Caffe", self.assumed())
        turned = read_safetensors(self.target)[0]
        large = list(struct.unpack("<270f", turned["features.0.weight"][2]))
        for other, other_bias in ((large, bias), (weight, bias[::-1]), (weight[27:] + weight[:27], bias)):
            tensors = self.convert(self.state(["features.0"], other, bias=other_bias))
            self.assertEqual(tensors["features.0.weight"][2], floats(*other))

    def test_other_layers_than_a_vggs_first_have_no_pixels_of_caffe(self):
        stem = tensor(storage("FloatStorage", "0", 294), (2, 3, 7, 7), (147, 49, 7, 1))
        self.write(zip_file(ordered_dict(entry("conv1.weight", stem)), {"0": bytes(1176)}))
        result = self.run_converter("--pixels", "caffe")
        self.assertEqual(result.returncode, 4)
        self.assertIn("has no features.0.weight of a VGG", result.stderr)


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
        hidden = ordered_dict(entry("fc.w", tensor(storage("FloatStorage", "0", 2), (2,), (1,))))
        planted = hidden + b"}" + text("items") + integer(1) + b"sb"
        self.assertEqual(list(self.convert(zip_file(planted, self.good))), ["fc.w"])
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
        many = ordered_dict(b"".join(entry(f"fc.w{i}", tensor(storage("FloatStorage", "0", 4000), (4000,), (1,)))
                                     for i in range(30)))
        self.refuse(zip_file(many, {"0": bytes(16000)}), "claims 480000 bytes of tensors")

    def test_compressed_members_are_refused_unread(self):
        bomb = zip_file(one_tensor(numel=1 << 22), {"0": bytes(1 << 24)}, compression=zipfile.ZIP_DEFLATED)
        self.refuse(bomb, "compressed member")

    def test_keys_are_no_paths(self):
        with open(self.path("secret"), "wb") as stream:
            stream.write(floats(1, 2))
        body = ordered_dict(entry("fc.w", tensor(storage("FloatStorage", "../../secret", 2), (2,), (1,))))
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
        body = ordered_dict(entry("fc.w\33[31m", tensor(storage("FloatStorage", "0", 2), (2,), (1,))))
        self.refuse(zip_file(body, self.good), "an absurd name: fc.w?[31m")

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
            self.refuse_soon(zip_file(ordered_dict(entry("fc.w", key)), {}), "holds no state_dict")
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
        self.refuse(struct.pack("<Q", 2) + b"{}", "holds no state_dict")
        self.refuse(b"", "no file of torch.save")
        self.refuse(legacy_file(one_tensor(), [], magic=7), "not of torch.save")
        self.refuse(zip_file(ordered_dict(entry("fc.w", integer(1))), {}), "holds no state_dict")
        self.refuse(zip_file(one_tensor(kind="LongStorage"), {"0": bytes(16)}), "no floating-point tensor")

    def test_terminal_codes_of_a_file_do_not_reach_the_terminal(self):
        body = ordered_dict(entry("fc.\x1b[31m\nw", tensor(storage("FloatStorage", "0", 2), (3,), (1,))))
        self.refuse(zip_file(body, self.good), "has fc.?[31m w of shape")


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
            body = ordered_dict(b"".join(entry(f"fc.w{i}", tensor(kept[i % 2], shape, stride, i % 7))
                                         for i in range(20000)))
            data = struct.pack(f"<{size}f", *range(size))
            tensors = self.convert_soon(zip_file(body, {"0": data, "1": bytes(4 * size)}))
            self.assertEqual(tensors["fc.w4"][2][:4], floats(4))
            self.assertEqual(tensors["fc.w5"][2][:4], floats(0))
            self.assertEqual(list(tensors), [f"fc.w{i}" for i in range(20000)])
            tensors = self.convert_soon(legacy_file(body, [("0", size, data), ("1", size, bytes(4 * size))]))
            self.assertEqual(tensors["fc.w4"][2][:4], floats(4))

    def test_thousands_of_names_that_could_begin_a_network_are_soon_refused(self):
        stem = tensor(storage("FloatStorage", "0", 1), (1, 3, 3, 3), (0, 0, 0, 0))
        for form in ("a{}.features.0.weight", "a." * 480 + "{}.0.weight", "module." * 140 + "{}.x"):
            body = b"".join(entry(form.format(i), b"h\x01" if i else stem + b"q\x01") for i in range(30000))
            start = time.process_time()
            self.write(zip_file(ordered_dict(body), {"0": bytes(4)}))
            self.assertEqual(self.run_converter().returncode, 4)
            self.assertLess(time.process_time() - start, self.limit)

    def test_views_of_one_old_storage_read_it_once(self):
        size = 1 << 20
        body = b"".join(
            entry(f"fc.w{i}", tensor(storage("FloatStorage", "0", size, b"(" + text("v") + integer(i)
                                          + integer(size - i) + b"t"), (1,), (1,))) for i in range(5000))
        data = struct.pack(f"<{size}f", *range(size))
        tensors = self.convert_soon(legacy_file(ordered_dict(body), [("0", size, data)]))
        self.assertEqual(tensors["fc.w9"][2], floats(9))

    def test_strides_are_followed_line_by_line(self):
        size = 1 << 20
        data = struct.pack(f"<{size}f", *range(size))
        stored = storage("FloatStorage", "0", size)
        shapes = {"fc.column": ((size // 2, 1), (2, 1)), "fc.turned": ((size // 2, 2), (1, size // 2)),
                  "fc.repeated": ((2, size // 4), (0, 3)), "fc.flat": ((1, 1, size // 2, 1), (7, 9, 2, 5))}
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
        self.assertEqual(list(read_safetensors(self.path("real"))[0]), ["fc.w"])

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
        net = torch.nn.Module()
        net.fc = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.Linear(4, 2))
        state = net.state_dict()
        expected = {key: value for key, value in state.items() if "num_batches" not in key}
        self.check(state, expected)
        self.check({"epoch": 3, "lr": 0.1, "state_dict": state}, expected)
        self.check(dict(net.named_parameters()), dict(net.named_parameters()))
        self.check(torch.nn.DataParallel(net).state_dict(), expected)

    def test_types_and_strides(self):
        x = torch.randn(4, 6, 3, 5)
        state = {"fc.half": x.half(), "fc.bfloat16": x.bfloat16(), "fc.transposed": x.transpose(0, 2),
                 "fc.sliced": x[1:3, ::2, :, 1:], "fc.channels_last": x.to(memory_format=torch.channels_last),
                 "fc.half_turned": x.half().permute(3, 1, 0, 2), "fc.scalar": torch.tensor(1.5),
                 "fc.empty": torch.zeros(0, 3), "fc.tied": x}
        self.check(state, state)
        self.check({"fc.double": x.double() / 3}, {"fc.double": (x.double() / 3).float()})

    def test_a_whole_module_is_refused(self):
        torch.save(torch.nn.Linear(2, 2), self.source)
        result = self.run_converter()
        self.assertEqual(result.returncode, 4)
        self.assertIn("names torch.nn.modules.linear.Linear, which is refused", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)   # which prints the reason of a skip
