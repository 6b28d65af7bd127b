#!/usr/bin/env python3
"""What trained weights must give: the same features as PyTorch, the objective of crowsonkb/style-transfer-pytorch solved better
than it solves it itself, and the defaults that are for them.

    tests/trained/test_trained.py build/swag build/trained/vgg16.safetensors

The weights are those of tests/trained/fetch_vgg16.py. Needs the standard library alone; the figures of PyTorch stand here.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

ASSETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "assets")
CONTENT, STYLE = (os.path.join(ASSETS, name) for name in ("content.jpg", "style.jpg"))
SIZE = 128

# Mean and deviation of every tap for CHECKERED in torch 2.15 (float64, torchvision's vgg16 with these weights).
FEATURES = {
    "relu1_1": (40.95453698454584, 63.05189756179807),
    "relu1_2": (49.980662758877656, 148.3739615586341),
    "relu2_1": (49.522398998628475, 148.59757110206442),
    "relu2_2": (24.206183147642054, 110.73582092121944),
    "relu3_1": (43.61893940616318, 87.70596541330518),
    "relu3_2": (29.814752133869433, 71.22766732546347),
    "relu3_3": (9.177944301617092, 36.49374098613083),
    "relu4_1": (15.361542456944544, 26.88579114718608),
    "relu4_2": (9.583823361116641, 19.344016657843095),
    "relu4_3": (2.6708831753530706, 8.039448830642828),
    "relu5_1": (2.5459338334061665, 9.398071947128058),
    "relu5_2": (1.8703678154300405, 5.992509921787958),
    "relu5_3": (2.0911080397412545, 6.687015511814858),
}

# The exact objective of the peer's own picture at SIZE, after its 120 evaluations, to content and style in its own resampling.
PEER_LOSS, PEER_EVALUATIONS = 11.63, 120


def png(width, height, pixel):
    import zlib
    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in pixel(x, y)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def checkered(x, y):
    """A picture that is easily made again elsewhere."""
    return (x * 7 + y * 3) % 256, (x * y) % 256, 255 * ((x // 8 + y // 8) % 2)


class Trained(unittest.TestCase):
    program, weights = "build/swag", "build/trained/vgg16.safetensors"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def swag(self, *arguments):
        result = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def dump(self, content, image, style, *options):
        """The tensors of `swag dump`, by name."""
        self.swag("dump", "--network", "vgg16", "--weights", self.weights, "--content", content, "--image", image, "--style",
                  style, "--out", self.path("dump"), *options)
        with open(self.path("dump"), "rb") as file:
            data = file.read()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        header.pop("__metadata__")
        values = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if end - begin <= 64:
                values[name] = struct.unpack(f"<{(end - begin) // 8}d", data[8 + length + begin:8 + length + end])
        return values

    def test_the_file_is_good(self):
        self.assertIn("good, for vgg16", self.swag("model", "verify", self.weights).stdout)

    def test_features_are_those_of_pytorch(self):
        picture = self.path("checkered.png")
        with open(picture, "wb") as file:
            file.write(png(80, 64, checkered))
        for precision, tolerance in (("double", 1e-9), ("single", 2e-5)):
            found = self.dump(picture, picture, picture, "--precision", precision)
            self.assertEqual(len(FEATURES), 13)
            for tap, expected in FEATURES.items():
                for ours, theirs in zip(found["feature_stats." + tap], expected):
                    self.assertLessEqual(abs(ours - theirs) / abs(theirs), tolerance, (precision, tap))

    def stylise(self, name, *options):
        """A picture by the peer's objective; its loss as written, in 8 bits, and the evaluations it took."""
        out, log = self.path(name + ".png"), self.path(name + ".log")
        self.swag(CONTENT, STYLE, "-o", out, "--log", log, "-q", "--preset", "crowson", "--network", "vgg16", "--weights",
                  self.weights, "--size", SIZE, *options)
        with open(log) as lines:
            last = json.loads(lines.read().splitlines()[-1])
        small = {}
        for what, source in (("content", CONTENT), ("style", STYLE)):
            small[what] = self.path(what + ".png")
            if not os.path.exists(small[what]):
                self.swag(source, source, "-o", small[what], "--size", SIZE, "-n", "0", "--weights", "random", "--scales", "1",
                          "--resample", "bicubic")
        shown = json.loads(self.swag("--show-options", "--preset", "crowson", "--network", "vgg16", "--weights",
                                     self.weights).stdout)
        same = []
        for key in ("loss", "style_loss", "content_weight", "style_weight", "tv_weight", "tv_stencil", "padding"):
            same += ["--" + key.replace("_", "-"), shown[key]]
        same += ["--style-layers", ",".join(shown["style_layers"]),
                 "--style-layer-weights", ",".join(map(str, shown["style_layer_weights"]))]
        return self.dump(small["content"], out, small["style"], *same)["total_loss"][0], last["evaluation"]

    def test_the_peers_objective_is_solved_better_than_by_the_peer(self):
        loss, evaluations = self.stylise("adam", "--initial-iterations", PEER_EVALUATIONS)
        print(f"{SIZE} pixels, {evaluations} evaluations of Adam: {loss:.4g}; the peer's {PEER_LOSS:.4g}")
        self.assertLessEqual(evaluations, PEER_EVALUATIONS)
        self.assertLessEqual(loss, 0.75 * PEER_LOSS)
        loss, evaluations = self.stylise("lbfgs", "--optimizer", "lbfgs", "--initial-iterations", 52)
        print(f"{SIZE} pixels, {evaluations} evaluations of L-BFGS: {loss:.4g}")
        self.assertLess(2 * evaluations, PEER_EVALUATIONS)
        self.assertLessEqual(loss, 0.25 * PEER_LOSS)

    def test_the_defaults_are_those_for_trained_weights(self):
        shown = json.loads(self.swag("--show-options", "--network", "vgg16", "--weights", self.weights).stdout)
        self.assertEqual((shown["preset"], shown["style_loss"], shown["padding"]), ("trained", "wasserstein", "replicate"))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[2].endswith(".safetensors"):
        Trained.weights = sys.argv.pop(2)
    if len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
        Trained.program = sys.argv.pop(1)
    unittest.main()
