#!/usr/bin/env python3
"""Converts PyTorch weights (.pth, .pt, .bin: a state_dict) to safetensors, with the standard library alone.
Safetensors files under other names, or for other pixels, become such too.

    convert_weights.py vgg19-dcbb9e9d.pth vgg19.safetensors

Reads both of torch.save's formats, the zip file (torch >= 1.6) and the older stream of pickles. A pickle is
a program: here a reader of its own runs the few instructions that torch.save writes, without any function of
torch's or Python's, only the few markers in `MARKERS`; everything else that it names is refused. Sizes are
checked against the file before memory is taken, and no file takes more time than its size explains.

float64 becomes F32, float16 and bfloat16 stay as they are; integers (batch norm's counters) are left out.
Values are copied bit by bit, but for VGGs from Caffe: see `from_caffe`. What is none of `NETWORKS`, or the first
layers of one, is refused. Exit codes: 2 usage, 4 the input,
6 memory, 8 the output, 128 + N signal N.
"""
import os
import sys

EXIT_WEIGHTS, EXIT_MEMORY, EXIT_OUTPUT = 4, 6, 8


def end_without_handler(kind, value, trace):
    """Of an exception: even the imports below may find no memory, and there is little left to say so."""
    if not issubclass(kind, MemoryError):
        return sys.__excepthook__(kind, value, trace)
    os.write(2, b"convert_weights.py: there is not enough memory for Python\n")
    os._exit(EXIT_MEMORY)


if __name__ == "__main__":
    sys.excepthook = end_without_handler

import argparse
import array
import collections
import contextlib
import fcntl
import hashlib
import io
import itertools
import json
import math
import re
import secrets
import signal
import stat
import struct
import zipfile

MAX_PICKLE_BYTES = 32 << 20   # a state_dict's pickle has some hundred bytes per tensor
MAX_STEPS = 2_000_000         # and some 35 instructions
MAX_KEY = 1000   # characters
MAX_INT_KEY = 1 << 60   # from 2^61 on, numbers share their hashes
MAX_TENSOR_BYTES = 1 << 62   # even where a dimension is 0
MAX_ARGUMENTS = 20
MAX_DIRECTORY_BYTES = 8 << 20   # of a zip file's list of members, some hundred bytes per tensor
MAX_RANK = 8
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
HEADS = ("fc.", "classifier.", "aux", "AuxLogits.", "head.", "pre_logits.")   # of torchvision and timm


class WeightsError(Exception):
    """The input cannot or must not be read; the text says why."""


# ---------------------------------------------------------------- what a pickle may name

# Everything a pickle can get hold of is immutable, so it cannot bend one marker for the next.
DType = collections.namedtuple("DType", "name itemsize is_float")
Storage = collections.namedtuple("Storage", "key dtype numel begin")   # `numel` elements from `begin` on
Tensor = collections.namedtuple("Tensor", "storage offset shape stride")


def is_natural(value):
    return type(value) is int and 0 <= value < 1 << 62


class RebuildTensor:
    __slots__ = ()

    def __call__(self, storage, offset, shape, stride, *_requires_grad_and_hooks):
        ok = type(storage) is Storage and type(shape) is tuple and type(stride) is tuple
        ok = ok and len(shape) == len(stride) <= MAX_RANK
        if not (ok and all(map(is_natural, (offset,) + shape + stride))):
            raise WeightsError("has a tensor with a shape or stride that makes no sense")
        return Tensor(storage, offset, shape, stride)


class RebuildParameter:
    __slots__ = ()

    def __call__(self, data, *_requires_grad_and_hooks):
        return data


class MakeDict:
    """Of OrderedDict: a dict keeps its order too."""
    __slots__ = ()

    def __call__(self, pairs=()):
        items = {}
        for pair in pairs if type(pairs) is list else ():
            if type(pair) not in (tuple, list) or len(pair) != 2:
                raise WeightsError("has a damaged pickle (a dictionary of no pairs)")
            put_item(items, *pair)
        return items


class Ignore:
    """Of what checkpoints keep beside their tensors: whatever is made of it is nothing."""
    __slots__ = ()

    def __call__(self, *_arguments):
        return None


def put_item(target, key, value):
    """target[key] = value for keys that are quick to find: a tuple may hold itself 2^40 times, and thousands of large
    numbers may have one hash."""
    ok = type(key) in (str, int, bool, type(None))
    if not ok or (type(key) is str and len(key) > MAX_KEY) or (type(key) is int and abs(key) > MAX_INT_KEY):
        raise WeightsError("has a dictionary whose key is neither a short text nor a small whole number")
    if type(target) is dict:
        target[key] = value


class MakeTuple:
    __slots__ = ()

    def __call__(self, items=()):
        return tuple(items) if type(items) in (tuple, list) else ()


MARKERS = {
    ("collections", "OrderedDict"): MakeDict(),
    ("torch", "Size"): MakeTuple(),
    ("torch._utils", "_rebuild_tensor"): RebuildTensor(),
    ("torch._utils", "_rebuild_tensor_v2"): RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): RebuildParameter(),
    ("torch.nn.parameter", "Parameter"): RebuildParameter(),
    ("torch", "FloatStorage"): DType("F32", 4, True),
    ("torch", "DoubleStorage"): DType("F64", 8, True),
    ("torch", "HalfStorage"): DType("F16", 2, True),
    ("torch", "BFloat16Storage"): DType("BF16", 2, True),
    ("torch", "LongStorage"): DType("I64", 8, False),
    ("torch", "IntStorage"): DType("I32", 4, False),
    ("torch", "ShortStorage"): DType("I16", 2, False),
    ("torch", "CharStorage"): DType("I8", 1, False),
    ("torch", "ByteStorage"): DType("U8", 1, False),
    ("torch", "BoolStorage"): DType("BOOL", 1, False),
    ("torch", "UntypedStorage"): DType("U8", 1, False),
    ("torch.storage", "UntypedStorage"): DType("U8", 1, False),
}


for ignored in (("argparse", "Namespace"), ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"),
                ("numpy._core.multiarray", "scalar"), ("_codecs", "encode"), ("torch", "device"),
                ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
                ("numpy", "ndarray"), ("pathlib", "PosixPath"), ("torch.torch_version", "TorchVersion"),
                ("__builtin__", "set"), ("builtins", "set"), ("collections", "defaultdict"),
                ("pytorch_lightning.utilities.parsing", "AttributeDict"),
                ("lightning.fabric.utilities.data", "AttributeDict")):
    MARKERS[ignored] = Ignore()

CALLABLE = {type(marker) for marker in MARKERS.values()} - {DType}
CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
EMPTY = {b"}": dict, b"]": list, b")": tuple}
NUMBERS = {b"K": "<B", b"M": "<H", b"J": "<i", b"G": ">d"}
TEXTS = {b"X": "<I", b"\x8c": "<B", b"\x8d": "<Q", b"U": "<B", b"T": "<I"}   # the last two: Python 2's
BYTES = {b"B": "<I", b"C": "<B", b"\x8e": "<Q", b"\x96": "<Q"}
PUTS, GETS = {b"q": "<B", b"r": "<I"}, {b"h": "<B", b"j": "<I"}
TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}


class PickleReader:
    """Runs the instructions of one pickle that torch.save writes (protocols 2 to 5), each in a time that its
    own bytes bound. Values are plain ones and what the markers make. Fills `itemsizes` with the bytes per
    element of every storage that the pickle refers to."""

    def __init__(self, stream, itemsizes):
        self.stream, self.itemsizes = stream, itemsizes
        self.stack, self.marks, self.memo, self.steps = [], [], {}, 0

    def take(self, size):
        data = self.stream.read(size) if size <= MAX_PICKLE_BYTES else b""
        if len(data) != size:
            raise EOFError("it ends too early")
        return data

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self):
        return self.stream.readline(1000).decode("utf-8").rstrip("\n")

    def above_mark(self):
        """What stands above the last mark; both are taken off."""
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def run(self):
        while self.steps < MAX_STEPS:
            self.steps += 1
            op = self.take(1)
            if op == b".":
                return self.stack.pop()
            self.push_value(op) or self.fill(op) or self.call(op) or self.refuse(op)
        raise WeightsError("has a pickle of more steps than any state_dict's")

    def refuse(self, op):
        raise WeightsError(f"has a damaged pickle (0x{op.hex()} is no instruction of torch.save's)")

    def push_value(self, op):
        if op in CONSTANTS:
            value = CONSTANTS[op]
        elif op in EMPTY:
            value = EMPTY[op]()
        elif op in NUMBERS:
            value = self.number(NUMBERS[op])
        elif op in TEXTS:
            value = self.take(self.number(TEXTS[op])).decode("utf-8")
        elif op in BYTES:
            value = self.take(self.number(BYTES[op]))
        elif op == b"\x8a":
            value = int.from_bytes(self.take(self.number("<B")), "little", signed=True)
        elif op in GETS:
            value = self.memo[self.number(GETS[op])]
        elif op == b"\x8f":
            value = None   # a set: nothing of a state_dict's
        elif op == b"\x91":
            value = self.above_mark() and None
        elif op == b"t":
            value = tuple(self.above_mark())
        elif op in TUPLES:
            value = tuple(self.stack[-TUPLES[op]:])
            del self.stack[-TUPLES[op]:]
        else:
            return False
        self.stack.append(value)
        return True

    def fill(self, op):
        """Instructions that change what is there."""
        if op == b"(":
            self.marks.append(len(self.stack))
        elif op in PUTS:
            self.memo[self.number(PUTS[op])] = self.stack[-1]
        elif op == b"\x94":
            self.memo[len(self.memo)] = self.stack[-1]
        elif op == b"s":
            value, key = self.stack.pop(), self.stack.pop()
            put_item(self.stack[-1], key, value)
        elif op == b"u":
            items = self.above_mark()
            for key, value in zip(items[::2], items[1::2]):
                put_item(self.stack[-1], key, value)
        elif op == b"\x90":
            self.above_mark()
        elif op in (b"a", b"e"):
            items = [self.stack.pop()] if op == b"a" else self.above_mark()
            if type(self.stack[-1]) is list:
                self.stack[-1].extend(items)
        elif op == b"b":
            self.stack.pop()   # attributes: _metadata of a state_dict, or an attempt to hide its methods
            if type(self.stack[-1]) is DType:
                raise WeightsError("has a damaged pickle (a type with attributes)")
        elif op == b"\x80":
            self.take(1)
        elif op == b"\x95":
            self.take(8)
        else:
            return False
        return True

    def call(self, op):
        """Instructions that name something, call it or refer to a storage."""
        if op == b"c":
            self.stack.append(self.find(self.line(), self.line()))
        elif op == b"\x93":
            name, module = self.stack.pop(), self.stack.pop()
            self.stack.append(self.find(module, name))
        elif op in (b"R", b"\x81"):
            arguments, function = self.stack.pop(), self.stack.pop()
            ok = type(function) in CALLABLE and type(arguments) is tuple and len(arguments) <= MAX_ARGUMENTS
            if not ok:
                raise WeightsError("has a damaged pickle (a call that cannot be)")
            self.steps += sum(len(argument) for argument in arguments if type(argument) is list)
            self.stack.append(function(*arguments))
        elif op == b"Q":
            self.stack.append(self.storage(self.stack.pop()))
        else:
            return False
        return True

    @staticmethod
    def find(module, name):
        if type(module) is not str or type(name) is not str:
            raise WeightsError("has a damaged pickle (a name that is no text)")
        if (module, name) not in MARKERS:
            raise WeightsError(f"names {module[:200]}.{name[:200]}, which is refused: nothing in it was "
                               "run. Only a plain state_dict is read; save model.state_dict() instead")
        return MARKERS[module, name]

    def storage(self, pid):
        ok = type(pid) is tuple and len(pid) in (5, 6) and pid[0] == "storage"
        ok = ok and type(pid[1]) is DType and type(pid[2]) is str and len(pid[2]) <= MAX_KEY
        if not (ok and is_natural(pid[4])):
            raise WeightsError("refers to something that is no tensor storage")
        _, dtype, key, _device, numel = pid[:5]
        if self.itemsizes.setdefault(key, dtype.itemsize) != dtype.itemsize:
            raise WeightsError(f"has storage '{key}' in two types")
        view = pid[5] if len(pid) == 6 else None
        if view is None:
            return Storage(key, dtype, numel, 0)
        if not (type(view) is tuple and len(view) == 3 and is_natural(view[1]) and is_natural(view[2])):
            raise WeightsError("has a storage view that makes no sense")
        return Storage(key, dtype, view[2], view[1])


def load_pickle(stream, itemsizes=None):
    """The next pickle of a stream, as markers and plain values; leaves the stream behind it."""
    try:
        return PickleReader(stream, {} if itemsizes is None else itemsizes).run()
    except (WeightsError, MemoryError):
        raise
    except Exception as error:   # a broken pickle raises nearly anything: IndexError, UnicodeDecodeError, ...
        raise WeightsError(f"has a damaged pickle ({type(error).__name__}: {str(error)[:200]})") from None


# ---------------------------------------------------------------- the two file formats

class ShortReads:
    """A stream of which nothing long can be read: a zip file's end says how long its list of members is."""

    def __init__(self, stream):
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable
        self.stream = stream

    def read(self, size=-1):
        if size > MAX_DIRECTORY_BYTES:
            raise WeightsError("lists more members than any file of torch.save")
        return self.stream.read(size)


class ZipArchive:
    """torch >= 1.6: NAME/data.pkl, NAME/data/KEY with the bytes of a storage each, NAME/byteorder."""

    def __init__(self, stream, file_bytes):
        try:
            self.zip = zipfile.ZipFile(ShortReads(stream))
        except (WeightsError, MemoryError):
            raise
        except Exception as error:
            raise WeightsError(f"is a damaged or truncated zip file ({error}); download it again") from None
        self.zip.fp = stream
        self.members = {}
        for info in self.zip.infolist():
            if info.filename in self.members:
                raise WeightsError(f"has {info.filename} twice")
            self.members[info.filename] = info
        if sum(info.compress_size for info in self.members.values()) > file_bytes:
            raise WeightsError("has members that overlap")
        pickles = [name for name in self.members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError("is a zip file without torch's data.pkl")
        self.folder = pickles[0][:-len("data.pkl")]
        self.big_endian = self.folder + "byteorder" in self.members and self.read("byteorder", 6) == b"big"
        self.root = load_pickle(io.BytesIO(self.read("data.pkl", MAX_PICKLE_BYTES)))

    def member(self, name, max_bytes, exact=False):
        info = self.members.get(self.folder + name)
        if info is None:
            raise WeightsError(f"has no member {name}")
        # torch stores without compression: what is claimed is then what the file has.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise WeightsError(f"has a compressed member {name}, which torch does not write")
        if info.file_size > max_bytes or (exact and info.file_size != max_bytes):
            raise WeightsError(f"has {info.file_size} bytes in {name}, expected {max_bytes}")
        return info

    def read(self, name, max_bytes, exact=False):
        info = self.member(name, max_bytes, exact)
        try:
            data = self.zip.read(info)
        except MemoryError:
            raise
        except Exception as error:
            raise WeightsError(f"has a damaged member {name} ({error}); download it again") from None
        if len(data) != info.file_size:
            raise WeightsError(f"is truncated in {name}")
        return data

    def check(self, storage):
        if storage.begin != 0:
            raise WeightsError("has a storage view, which this format does not know")
        self.member("data/" + storage.key, storage.numel * storage.dtype.itemsize, exact=True)

    def whole_storage(self, storage):
        """The bytes of everything under the storage's key."""
        return self.read("data/" + storage.key, storage.numel * storage.dtype.itemsize, exact=True)


class LegacyStream:
    """Before torch 1.6: pickles of magic number, protocol, system, object, storage keys; then storages."""

    def __init__(self, stream, file_bytes):
        self.stream = stream
        if load_pickle(stream) != LEGACY_MAGIC:
            raise WeightsError("is a pickle, but not of torch.save")
        protocol, system = load_pickle(stream), load_pickle(stream)
        if protocol != LEGACY_PROTOCOL or not isinstance(system, dict):
            raise WeightsError(f"has a protocol of torch.save other than {LEGACY_PROTOCOL}")
        self.big_endian = system.get("little_endian") is False
        itemsizes = {}
        self.root = load_pickle(stream, itemsizes)
        keys = load_pickle(stream)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise WeightsError("has a damaged list of storages")
        self.places = {}   # key -> (position, elements)
        for key in keys:   # each the count of elements as int64, then the elements
            if key not in itemsizes or key in self.places:
                raise WeightsError(f"has a storage '{key}' that no tensor has, or twice")
            count = stream.read(8)
            numel = int.from_bytes(count, "big" if self.big_endian else "little", signed=True)
            position = stream.tell()
            end = position + numel * itemsizes[key]
            if len(count) != 8 or numel < 0 or end > file_bytes:
                raise WeightsError(f"is truncated in storage '{key}'; download it again")
            self.places[key] = (position, numel)
            stream.seek(end)

    def check(self, storage):
        _position, numel = self.places.get(storage.key, (0, -1))
        if storage.begin + storage.numel > numel:
            raise WeightsError(f"has {max(numel, 0)} elements in storage '{storage.key}', expected "
                               f"{storage.begin + storage.numel}")

    def whole_storage(self, storage):
        """The bytes of everything under the storage's key."""
        position, numel = self.places[storage.key]
        self.stream.seek(position)
        return self.stream.read(numel * storage.dtype.itemsize)


class SafetensorsArchive:
    """Each tensor is a storage of its own, called by its name."""
    big_endian = False
    dtypes = {"F32": 4, "F64": 8, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

    def __init__(self, stream, file_bytes):
        self.stream, self.root, self.places = stream, {}, {}
        length = int.from_bytes(stream.read(8), "little")
        if length > min(file_bytes - 8, MAX_DIRECTORY_BYTES):
            raise WeightsError("is a truncated safetensors file, or has a header of more than any network's tensors")
        try:
            entries = json.loads(stream.read(length))
            entries.pop("__metadata__", None)
            for name, entry in entries.items():
                self.add(name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
        except (WeightsError, MemoryError):
            raise
        except Exception as error:   # whatever the header holds instead
            raise WeightsError(f"has a damaged header ({type(error).__name__})") from None
        self.data_begin, self.data_bytes = 8 + length, file_bytes - 8 - length

    def add(self, name, dtype, shape, begin, end):
        if dtype not in self.dtypes:
            raise WeightsError(f"has {name} in the type {str(dtype)[:20]}, which is not read")
        if not (all(map(is_natural, (begin, end) + shape)) and begin <= end and len(shape) <= MAX_RANK):
            raise WeightsError(f"has {name} with a shape or place that makes no sense")
        stride, step = [], 1
        for size in reversed(shape):
            stride.insert(0, step)
            step *= size
        kind = DType(dtype, self.dtypes[dtype], dtype in ("F32", "F64", "F16", "BF16"))
        self.root[name] = Tensor(Storage(name, kind, step, 0), 0, shape, tuple(stride))
        self.places[name] = begin, end

    def check(self, storage):
        begin, end = self.places[storage.key]
        if end - begin != storage.numel * storage.dtype.itemsize or end > self.data_bytes:
            raise WeightsError(f"has {end - begin} bytes for {storage.key}, expected "
                               f"{storage.numel * storage.dtype.itemsize}, or is truncated")

    def whole_storage(self, storage):
        begin, end = self.places[storage.key]
        self.stream.seek(self.data_begin + begin)
        return self.stream.read(end - begin)


def open_archive(stream):
    file_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    start = stream.read(64)
    stream.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return ZipArchive(stream, file_bytes)
    if start[8:9] == b"{":   # before the next: a length may begin with any byte
        return SafetensorsArchive(stream, file_bytes)
    if start[:1] == b"\x80":
        return LegacyStream(stream, file_bytes)
    if start.lstrip()[:1] == b"<":
        raise WeightsError("is a web page, not weights; download the file itself")
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError("is a Git LFS pointer, not the file itself; run `git lfs pull`")
    raise WeightsError("is no file of torch.save (or one of a version before 0.2)")


# ---------------------------------------------------------------- from state_dict to safetensors

NORM = ("weight", "bias", "running_mean", "running_var")
VGGS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
RESNETS = {"resnet18": ((2, 2, 2, 2), False), "resnet34": ((3, 4, 6, 3), False), "resnet50": ((3, 4, 6, 3), True),
           "resnet101": ((3, 4, 23, 3), True), "resnet152": ((3, 8, 36, 3), True),
           "wide_resnet50_2": ((3, 4, 6, 3), True, 128)}   # blocks, bottlenecks, width of the first ones


def vgg_state(counts, normalised):
    state, index, c_in = {}, 0, 3
    for count, c_out in zip(counts, (64, 128, 256, 512, 512)):
        for _ in range(count):
            state.update({f"features.{index}.weight": (c_out, c_in, 3, 3), f"features.{index}.bias": (c_out,)})
            state.update({f"features.{index + 1}.{part}": (c_out,) for part in NORM if normalised})
            index, c_in = index + (3 if normalised else 2), c_out
        index += 1   # the pool
    return state


def resnet_state(blocks, bottleneck, base_width=64):
    state, c_in = {}, 3

    def add(conv, norm, c_in, c_out, kernel):
        state[conv + ".weight"] = (c_out, c_in, kernel, kernel)
        state.update({f"{norm}.{part}": (c_out,) for part in NORM})
        return c_out

    c_in = add("conv1", "bn1", 3, 64, 7)
    for stage, count in enumerate(blocks):
        planes = 64 << stage
        width, c_out = (planes * base_width // 64, 4 * planes) if bottleneck else (planes, planes)
        for name in (f"layer{stage + 1}.{block}" for block in range(count)):
            x = c_in
            for i, (out, kernel) in enumerate(((width, 1), (width, 3), (c_out, 1)) if bottleneck
                                              else ((width, 3), (c_out, 3)), 1):
                x = add(f"{name}.conv{i}", f"{name}.bn{i}", x, out, kernel)
            if name.endswith(".0") and (stage > 0 or c_in != c_out):
                add(name + ".downsample.0", name + ".downsample.1", c_in, c_out, 1)
            c_in = c_out
    return state


# {network: {name: shape}} of all that `swag model list` has, but for heads and counters.
NETWORKS = {name + end: vgg_state(counts, bool(end)) for end in ("", "_bn") for name, counts in VGGS.items()}
NETWORKS.update({name: resnet_state(*how) for name, how in RESNETS.items()})
NETWORKS["noresnet50"] = {name: shape for name, shape in NETWORKS["resnet50"].items()
                          if "downsample" not in name}

# Where training scripts keep a state_dict: averaged weights before the last ones, then other places.
NESTED = ("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "state_dict", "model_state_dict",
          "model", "net", "network", "module", "params", "weights")
WRAPPER = re.compile(r"(?<![^.])(?:module|_orig_mod|_forward_module|_fsdp_wrapped_module)\.")
STEMS = ("features.0.weight", "conv1.weight", "conv1_1.weight", "0.weight")
CONVOLUTION = re.compile(r"conv([1-5])_([1-4])\.(weight|bias)")
CAFFE_HEADS = {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
FIRST_NAMES = 4   # that a message shows
MAX_DEPTH = 6     # of dictionaries in dictionaries
MAX_STATE_DICTS, MAX_PREFIXES = 200, 16   # that are looked into


def state_dicts(node, seen, depth=0):
    """Every {name: Tensor} in dictionaries within dictionaries, the likely places first."""
    if type(node) is not dict or id(node) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(node))
    tensors = {key: value for key, value in node.items()
               if type(value) is Tensor and type(key) is str and value.storage.dtype.is_float}
    if tensors:
        yield tensors
    for key in sorted(node, key=lambda key: NESTED.index(key) if key in NESTED else len(NESTED)):
        yield from state_dicts(node[key], seen, depth + 1)


def in_torchvisions_names(tensors):
    """({torchvision's name: tensor}, whether Caffe's names were found) for VGGs under other names: conv3_1 of
    Caffe and of neural style transfer, and the bare numbers of `vgg.features.state_dict()`."""
    if tensors and all(re.fullmatch(r"\d+\.\w+", name) for name in tensors):
        return {"features." + name: tensor for name, tensor in tensors.items()}, False
    found = {name: CONVOLUTION.fullmatch(name) for name in tensors}
    known = all(match or name.split(".")[0] in CAFFE_HEADS for name, match in found.items())
    places = {(int(match[1]), int(match[2])) for match in found.values() if match}
    if not known or not places:
        return tensors, False
    counts = next(counts for counts in VGGS.values() if all(i <= counts[stage - 1] for stage, i in places))
    layers = (name[:-len(".weight")] for name in vgg_state(counts, False) if name.endswith(".weight"))
    names = {f"conv{stage}_{i + 1}": next(layers) for stage, count in enumerate(counts, 1) for i in range(count)}
    return {{**names, **CAFFE_HEADS}[name.split(".")[0]] + "." + name.split(".")[1]: tensor
            for name, tensor in tensors.items()}, True


def is_kin(shape, expected):
    """Of a layer that may have another number of channels, but no other kernel, and colours if `expected` has."""
    return len(shape) == len(expected) and shape[2:] == expected[2:] and (expected[1:2] != (3,) or shape[1] == 3)


def misfit(tensors):
    """Why tensors are of none of NETWORKS by their shapes; None: by their names; "" where they are of one, or of
    the first layers of one."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()
              if not name.startswith(HEADS) and not name.endswith(".num_batches_tracked")}
    if shapes in NETWORKS.values():
        return ""
    networks = [name for name, state in NETWORKS.items() if shapes.keys() <= state.keys()]
    if not networks:
        return None
    same = [name for name in networks if shapes.keys() == NETWORKS[name].keys()]
    if not same and not any(name.startswith("layer4.") for name in shapes) and any(
            all(is_kin(shape, NETWORKS[network][name]) for name, shape in shapes.items())
            for network in networks):
        return ""
    network = (same or networks)[0]
    for name, shape in NETWORKS[network].items():
        if name in shapes and shapes[name] != shape:
            return f"has {name} of shape {shapes[name]}, {network} needs {shape}"
    return f"has the names of {network}, but not {next(n for n in NETWORKS[network] if n not in shapes)}"


def without_wrappers(tensors):
    plain = {WRAPPER.sub("", name): tensor for name, tensor in tensors.items()}
    if len(plain) != len(tensors):
        raise WeightsError("has several tensors of one name, but for what wraps them (module., _orig_mod.)")
    return plain


def prefixes_of(names):
    """What stands before the name of a network's first layer, the shortest first; none within another."""
    prefixes = {name[:-len(stem)] for name in names for stem in STEMS
                if name == stem or name.endswith("." + stem)}
    kept = []
    for prefix in sorted(prefixes, key=lambda prefix: (prefix.count("."), prefix)):
        if not prefix.startswith((*kept, *HEADS)) and len(kept) < MAX_PREFIXES:
            kept.append(prefix)
    return kept or [""]


def network_in(tensors):
    """({torchvision's name: tensor}, whether Caffe's names were found, what was left) of the one network in a
    state_dict, or None, and why not. It may be a part of something larger, but must then be whole, or most of it; of what has
    bare numbers for names, all."""
    plain = without_wrappers(tensors)
    found, reason = {}, None
    for prefix in prefixes_of(plain):
        inside = {name[len(prefix):]: tensor for name, tensor in plain.items() if name.startswith(prefix)}
        named = in_torchvisions_names(inside)
        problem = misfit(named[0])
        whole = any(state.keys() <= named[0].keys() for state in NETWORKS.values())
        beside = sum(not name.startswith((prefix, *HEADS)) for name in plain)
        if problem == "" and (whole or beside <= (0 if "0.weight" in inside else len(inside))):
            found[prefix] = *named, (f"taken from under {prefix}, {beside} other tensors left out" if beside else "")
        reason = reason or (problem if beside <= len(inside) else None)
    if len(found) > 1:
        return None, f"holds several networks, under {', '.join(found)}: save the state_dict() of one"
    return next(iter(found.values()), None), reason


def find_network(root):
    """What `network_in` says of the first state_dict that has a network."""
    names, reason, heads = [], None, None
    for tensors in itertools.islice(state_dicts(root, set()), MAX_STATE_DICTS):
        network, problem = network_in(tensors)
        if network and not all(name.startswith(HEADS) for name in network[0]):
            return network
        heads, reason = heads or network, reason or problem
        names = max(names, list(tensors), key=len)
    if heads:
        return heads
    if not names:
        keys = ", ".join(repr(key)[:30] for key in list(root)[:8]) if type(root) is dict else ""
        raise WeightsError("holds no state_dict: no floating-point tensor under a name"
                           + (f"; it has {keys}: save one network's state_dict() alone" if keys else ""))
    shown = ", ".join(name[:60] for name in names[:FIRST_NAMES]) + ", ..." * (len(names) > FIRST_NAMES)
    raise WeightsError((reason or "holds no network that swag knows") + f"; the first names in it: {shown}")


def element_count(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def check_extent(name, tensor):
    """Every element a tensor reaches lies in its storage, it has no more elements than that, and swag reads its name
    and shape."""
    count = element_count(tensor.shape)
    if 4 * element_count(max(size, 1) for size in tensor.shape) > MAX_TENSOR_BYTES:
        raise WeightsError(f"has {name} with a shape beyond all memory")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride))
    if count > 0 and (last >= tensor.storage.numel or count > tensor.storage.numel):
        raise WeightsError(f"has {name} of shape {tensor.shape} reach beyond the {tensor.storage.numel} "
                           "elements of its storage")
    if not name.isprintable():
        raise WeightsError(f"has a tensor with an absurd name: {name}")


def starts(dims, target, source):
    """(target, source) of every combination of indices; dims are (size, target step, source step)."""
    if not dims:
        yield target, source
        return
    size, target_step, source_step = dims[0]
    for i in range(size):
        yield from starts(dims[1:], target + i * target_step, source + i * source_step)


def strided_copy(source, offset, shape, stride):
    """The elements of a strided view of a memoryview as an array in row-major order: line by line, along the
    longest dimension."""
    dims, step = [], 1
    for size, source_step in zip(reversed(shape), reversed(stride)):
        if size != 1:
            dims.append((size, step, source_step))
        step *= size
    target = array.array(source.format, bytes(step * source.itemsize))
    if not dims:
        target[0] = source[offset]
        return target
    dims.sort()
    size, target_step, source_step = dims.pop()
    for to, begin in starts(dims, 0, offset):
        line = source[begin:begin + (size - 1) * source_step + 1:source_step or 1]
        line = line.tobytes() if source_step else line.tobytes() * size
        target[to:to + (size - 1) * target_step + 1:target_step] = array.array(source.format, line)
    return target


def is_contiguous(shape, stride):
    expected = 1
    for size, step in zip(reversed(shape), reversed(stride)):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True


def tensor_bytes(tensor, raw, big_endian):
    """The elements in row-major order, little-endian, in the type of output_dtype; `raw` is a memoryview of
    everything under the storage's key."""
    itemsize, count = tensor.storage.dtype.itemsize, element_count(tensor.shape)
    if count == 0:
        return b""
    view = raw.cast({2: "H", 4: "I", 8: "Q"}[itemsize])
    offset = tensor.storage.begin + tensor.offset
    if is_contiguous(tensor.shape, tensor.stride):
        elements = array.array(view.format, view[offset:offset + count].tobytes())
    else:
        elements = strided_copy(view, offset, tensor.shape, tensor.stride)
    if big_endian:
        elements.byteswap()
    data = elements.tobytes()
    return array.array("f", array.array("d", data)).tobytes() if tensor.storage.dtype.name == "F64" else data


def output_dtype(tensor):
    return "F32" if tensor.storage.dtype.name == "F64" else tensor.storage.dtype.name


# ---------------------------------------------------------------- VGGs for the pixels of Caffe

FIRST = ("features.0.weight", "features.0.bias")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)   # torchvision's, of RGB from 0 to 1
CAFFE_MEAN = (103.939, 116.779, 123.68)   # of BGR from 0 to 255
CAFFE_FILES = ("d01eb7cb", "00b39a1b")   # neural-style's VGG19 and VGG16: so their SHA-256 begin
# Root mean squares of a first layer: torchvision's have 0.06 to 0.3, the same for pixels up to 255 57 times less.
# But the VGGs that were trained in Caffe have 0.18 too, and what is made of them here has 10.
SMALL, TURNED = 0.02, 1.0
# These are known by how VGG16's first filter answers to blue, and by its first biases; VGG19 and fine-tuned ones
# differ from it by less than 0.01 in the cosine, since they were all begun from one smaller network.
CAFFE_FILTER = (0.429471, 0.373467, -0.06136, 0.27477, 0.038681, -0.367223, -0.057468, -0.26225, -0.350097)
CAFFE_BIASES = (0.734298, 0.093404, 0.067757, 0.886297, 0.259945, 0.664267, -0.015829, 0.324907, 0.686007)
SAME = 0.97


def floats_of(dtype, data):
    """The values of F32, F16 or BF16 bytes."""
    if dtype == "BF16":
        data = array.array("I", (bits << 16 for bits in array.array("H", data))).tobytes()
    return struct.unpack(f"<{len(data) // 2}e" if dtype == "F16" else f"<{len(data) // 4}f", data)


def from_caffe(weight, bias):
    """A first layer for torchvision's pixels, (RGB - MEAN) / DEVIATION, of one for 255 BGR - CAFFE_MEAN;
    weight (out, 3, 3, 3) and bias (out) in one list each. Exact, but that the zeros around a picture now are the
    mean of torchvision, which differs from Caffe's by half a grey level."""
    taps = 9
    turned, moved = [], list(bias)
    for out in range(len(bias)):
        for rgb in range(3):
            begin = (3 * out + 2 - rgb) * taps
            line = weight[begin:begin + taps]
            turned.extend(255 * DEVIATION[rgb] * value for value in line)
            moved[out] += math.fsum(line) * (255 * MEAN[rgb] - CAFFE_MEAN[2 - rgb])
    return struct.pack(f"<{len(turned)}f", *turned), struct.pack(f"<{len(moved)}f", *moved)


def cosine(a, b):
    lengths = math.sqrt(math.fsum(x * x for x in a) * math.fsum(x * x for x in b))
    return math.fsum(x * y for x, y in zip(a, b)) / lengths if lengths > 0 else 0.0


def sign_of_caffe(weight, bias):
    """What about a first layer's values says that it was made for the pixels of Caffe; "" for nothing."""
    size = math.sqrt(math.fsum(value * value for value in weight) / max(1, len(weight)))
    if 0 < size < SMALL:
        return f"its first layer has weights of {size:.2g} only, as for pixels from 0 to 255"
    planes = [weight[begin:begin + 9] for begin in (0, 9, 18)]
    known = len(bias) >= len(CAFFE_BIASES) and all(cosine(plane, CAFFE_FILTER) > SAME for plane in planes)
    if known and size < TURNED and cosine(bias[:len(CAFFE_BIASES)], CAFFE_BIASES) > SAME:
        return "its first layer is that of the VGGs first published, for Caffe"
    return ""


def values_of(archive, tensor):
    raw = memoryview(archive.whole_storage(tensor.storage))
    return floats_of(output_dtype(tensor), tensor_bytes(tensor, raw, archive.big_endian))


def first_layer(archive, tensors, why, pixels):
    """What to write for the names of FIRST instead of what they hold, and what was assumed of the pixels. `why`
    says how else than by its values they are known to be for Caffe, or nothing."""
    weight, bias = (tensors.get(name) for name in FIRST)
    if weight is None or weight.shape[1:] != (3, 3, 3):
        if pixels == "caffe":
            raise WeightsError("has no features.0.weight of a VGG, the layer that --pixels caffe is about; "
                               "ResNets of Caffe differ from torchvision's in their strides too")
        return {}, ""
    if pixels == "torchvision":
        return {}, ""
    has_bias = bias is not None and bias.shape == weight.shape[:1]
    weight, bias = values_of(archive, weight), values_of(archive, bias) if has_bias else ()
    why = "--pixels caffe says so" if pixels == "caffe" else why or sign_of_caffe(weight, bias)
    if not why:
        return {}, ""
    if not has_bias:
        raise WeightsError(f"seems to be for the pixels of Caffe ({why}), but has no features.0.bias of the size "
                           "of its first layer; --pixels torchvision takes it as it is")
    assumed = (f"taken for weights of Caffe (BGR, 0 to 255, less the mean), since {why}: first layer turned to "
               "torchvision's pixels" + ("" if pixels == "caffe" else "; --pixels torchvision leaves it as it is"))
    return dict(zip(FIRST, from_caffe(weight, bias))), assumed


# ---------------------------------------------------------------- writing

def by_storage(tensors):
    """Names in the order in which they are written, so that each storage is read once."""
    groups = {}
    for name, tensor in tensors.items():
        groups.setdefault(tensor.storage.key, []).append(name)
    return groups.values()


def safetensors_header(tensors, replaced, metadata):
    entries, offset = {}, 0
    for name in (name for group in by_storage(tensors) for name in group):
        dtype = "F32" if name in replaced else output_dtype(tensors[name])
        end = offset + element_count(tensors[name].shape) * (2 if dtype in ("F16", "BF16") else 4)
        entries[name] = {"dtype": dtype, "shape": list(tensors[name].shape), "data_offsets": [offset, end]}
        offset = end
    header = {"__metadata__": metadata, **{name: entries[name] for name in tensors}}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, offset


def data_of(archive, tensors, replaced):
    for group in by_storage(tensors):
        raw = memoryview(archive.whole_storage(tensors[group[0]].storage))
        for name in group:
            yield replaced[name] if name in replaced else tensor_bytes(tensors[name], raw, archive.big_endian)


def sha256_of(stream):
    digest = hashlib.sha256()
    stream.seek(0)
    for piece in iter(lambda: stream.read(1 << 20), b""):
        digest.update(piece)
    return digest.hexdigest()


def convert(source, target, name, without_heads, pixels):
    """Writes `target` from `source`, called `name`. Returns how many tensors were kept and left out, and what
    was assumed."""
    with open(source, "rb") as stream:
        archive = open_archive(stream)
        found, names_of_caffe, left = find_network(archive.root)
        tensors = {key: tensor for key, tensor in found.items() if not (without_heads and key.startswith(HEADS))}
        if not tensors:
            raise WeightsError("holds a classifier alone")
        for key, tensor in tensors.items():
            check_extent(key, tensor)
            archive.check(tensor.storage)
        data_bytes = sum(element_count(one.shape) * one.storage.dtype.itemsize for one in tensors.values())
        file_bytes = os.fstat(stream.fileno()).st_size
        if data_bytes > 8 * file_bytes:   # tensors may share a storage, but not without end
            raise WeightsError(f"claims {data_bytes} bytes of tensors in a file of {file_bytes}")
        digest = sha256_of(stream)
        known = next((one for one in CAFFE_FILES if one in name.lower() or digest.startswith(one)), "")
        why = f"it is neural-style's file {known}" if known else "its layers are called conv1_1" * names_of_caffe
        replaced, turned = first_layer(archive, tensors, why, pixels)
        assumed = "; ".join(filter(None, (left, turned)))
        metadata = {"format": "pt", "converted_from": os.fsencode(name).decode("utf-8", "replace"),
                    "source_sha256": digest, **({"assumed": assumed} if assumed else {}),
                    **({"pixels": pixels} if pixels == "torchvision" else {})}
        header, _ = safetensors_header(tensors, replaced, metadata)
        write_atomically(target, header, data_of(archive, tensors, replaced))
    return len(tensors), len(found) - len(tensors), assumed


def open_part(folder, mode):
    """A new file that is locked, under a name that nobody can take first."""
    while True:
        part = os.path.join(folder, f".swag-{secrets.token_hex(8)}.part")
        stream = open(part, "xb", opener=lambda path, flags: os.open(path, flags, mode))
        with contextlib.suppress(OSError):   # not every file system has locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        # Before the lock, another process may have taken it for a leftover and removed it.
        if os.fstat(stream.fileno()).st_nlink > 0:
            return part, stream
        stream.close()


def write_atomically(target, header, chunks):
    """As src/support/atomic_write.cpp does it: what a killed run left is known by its name and by not being
    locked. A link stays, and what it leads to is replaced."""
    target = os.path.realpath(target)
    old = os.stat(target) if os.path.isfile(target) else None
    part, opened = open_part(os.path.dirname(target), 0o666 if old is None else 0o600)
    try:
        with opened as stream:
            if old is not None:
                take_over(stream.fileno(), old)
            stream.write(header)
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(part, target)
    except BaseException:   # an interrupt too leaves no half file
        if os.path.exists(part):
            os.remove(part)
        raise


def take_over(descriptor, old):
    """Owner, group and permissions of the file that is replaced. A group that cannot be kept must not hand
    its rights to another one."""
    mode = stat.S_IMODE(old.st_mode) & 0o777
    with contextlib.suppress(OSError):   # where the owner cannot be kept, it is this user
        os.fchown(descriptor, old.st_uid, -1)
    if os.fstat(descriptor).st_gid != old.st_gid:
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except OSError:
            mode = mode & ~0o070 | (mode & 0o007) << 3
    os.fchmod(descriptor, mode)


def end_in_order(number, _frame):
    """By an exception, so that no half file stays. A second signal must not break that off."""
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def fail(code, path, problem):
    text = " ".join(f"convert_weights.py: {path}: {problem}".split())   # a file's names may hold anything
    print("".join(c if c.isprintable() else "?" for c in text)[:1000], file=sys.stderr)
    return code


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN.pth")
    parser.add_argument("target", metavar="OUT.safetensors")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing OUT")
    parser.add_argument("--without-heads", action="store_true",
                        help="leave out the classifier, which swag does not read (most of a VGG's file)")
    parser.add_argument("--pixels", choices=("auto", "torchvision", "caffe"), default="auto",
                        help="what a VGG expects: torchvision's RGB, or Caffe's BGR from 0 to 255 less a mean; "
                        "auto: by the file's name, the layers' names, or the values of the first layer")
    parser.add_argument("--name", help="what to call IN, in messages and in the file written")
    args = parser.parse_args(arguments)
    name = args.name or args.source
    if os.path.abspath(args.source) == os.path.abspath(args.target):
        parser.error("IN and OUT are the same file")
    if os.path.lexists(args.target) and not args.overwrite:
        return fail(EXIT_OUTPUT, args.target, "exists already; --overwrite replaces it")
    if not os.path.isfile(args.source):
        return fail(EXIT_WEIGHTS, name, "no such file")
    try:
        kept, left_out, assumed = convert(args.source, args.target, os.path.basename(name),
                                          args.without_heads, args.pixels)
    except WeightsError as error:
        return fail(EXIT_WEIGHTS, name, error)
    except OSError as error:
        if error.filename == args.source:
            return fail(EXIT_WEIGHTS, name, error.strerror)
        return fail(EXIT_OUTPUT, args.target, f"cannot be written: {error.strerror}")
    except MemoryError:
        return fail(EXIT_MEMORY, name, "does not fit into memory")
    print(f"{args.target}: {kept} tensors" + (f", {left_out} left out" if left_out else "")
          + (f"; {assumed}" if assumed else ""))
    return 0


if __name__ == "__main__":
    for wish in ENDING:
        if signal.getsignal(wish) != signal.SIG_IGN:   # what was ignored at the start stays ignored
            signal.signal(wish, end_in_order)
    sys.exit(main())
