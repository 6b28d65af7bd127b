#!/usr/bin/env python3
"""Converts PyTorch weights (.pth, .pt, .bin: a state_dict) to safetensors, with the standard library alone.

    convert_weights.py vgg19-dcbb9e9d.pth vgg19.safetensors

Reads both of torch.save's formats, the zip file (torch >= 1.6) and the older stream of pickles. A pickle is
a program: here a reader of its own runs the few instructions that torch.save writes, without any function of
torch's or Python's, only the few markers in `MARKERS`; everything else that it names is refused. Sizes are
checked against the file before memory is taken, and no file takes more time than its size explains.

float64 becomes F32, float16 and bfloat16 stay as they are; integers (batch norm's counters) are left out.
Values are copied bit by bit, but for VGGs from Caffe: see `from_caffe`. Exit codes: 2 usage, 4 the input,
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


def open_archive(stream):
    file_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    start = stream.read(64)
    stream.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return ZipArchive(stream, file_bytes)
    if start[:1] == b"\x80":
        return LegacyStream(stream, file_bytes)
    if len(start) > 8 and start[8:9] == b"{":
        raise WeightsError("is a safetensors file already")
    if start.lstrip()[:1] == b"<":
        raise WeightsError("is a web page, not weights; download the file itself")
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError("is a Git LFS pointer, not the file itself; run `git lfs pull`")
    raise WeightsError("is no file of torch.save (or one of a version before 0.2)")


# ---------------------------------------------------------------- from state_dict to safetensors

NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params_ema", "params",
          "weights")
PREFIXES = ("module.", "model.", "net.", "network.", "backbone.", "_orig_mod.")   # of what wraps a network


def tensors_of(state):
    items = state.items() if type(state) is dict else ()
    return {name: value for name, value in items if type(value) is Tensor}


def find_state_dict(root):
    """{name: Tensor}: what training scripts keep under one of `NESTED`, or the object itself."""
    state = root
    for _ in range(3):   # {"model": {"state_dict": ...}}
        inner = [state[key] for key in NESTED if type(state) is dict and type(state.get(key)) is dict]
        inner = [one for one in inner if tensors_of(one) or any(type(one.get(key)) is dict for key in NESTED)]
        if not inner:
            break
        state = inner[0]
    tensors = tensors_of(state)
    if not tensors:
        keys = ", ".join(repr(key)[:30] for key in list(root)[:8]) if type(root) is dict else ""
        raise WeightsError("holds no state_dict: no tensor under a name"
                           + (f"; it has {keys}: save one network's state_dict() alone" if keys else ""))
    if not all(type(name) is str and name != "__metadata__" for name in tensors):
        raise WeightsError("has a tensor whose name is no text")
    prefix = next((one for one in PREFIXES if all(name.startswith(one) for name in tensors)), "")
    while prefix:
        tensors = {name[len(prefix):]: tensor for name, tensor in tensors.items()}
        prefix = next((one for one in PREFIXES if all(name.startswith(one) for name in tensors)), "")
    return tensors


def with_torchvision_names(tensors):
    """({torchvision's name: tensor}, whether Caffe's names were found) for VGGs under other names: conv3_1 of
    Caffe and of neural style transfer, and the bare numbers of `vgg.features.state_dict()`."""
    if all(re.fullmatch(r"\d+\.\w+", name) for name in tensors):
        return {"features." + name: tensor for name, tensor in tensors.items()}, False
    convolution = re.compile(r"conv([1-5])_([1-4])\.(weight|bias)")
    found = {name: convolution.fullmatch(name) for name in tensors}
    heads = {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
    known = all(match or name.split(".")[0] in heads for name, match in found.items())
    if not known or not any(found.values()):
        return tensors, False
    index, names = 0, {}   # a convolution and its ReLU each, a pool after each stage
    for stage in range(1, 6):
        for number in sorted({int(match[2]) for match in found.values() if match and int(match[1]) == stage}):
            names[f"conv{stage}_{number}"] = f"features.{index}"
            index += 2
        index += 1
    return {{**names, **heads}[name.split(".")[0]] + "." + name.split(".")[1]: tensor
            for name, tensor in tensors.items()}, True


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
SMALL = 0.02   # root mean square; torchvision's have 0.06 to 0.3, the same for pixels up to 255 57 times less


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


def first_layer(archive, tensors, names_of_caffe, pixels):
    """What to write for the names of FIRST instead of what they hold, and what was assumed of the pixels."""
    weight, bias = (tensors.get(name) for name in FIRST)
    if weight is None or weight.shape[1:] != (3, 3, 3):
        if pixels == "caffe":
            raise WeightsError("has no features.0.weight of a VGG, the layer that --input caffe is about")
        return {}, ""
    raw = memoryview(archive.whole_storage(weight.storage))
    values = floats_of(output_dtype(weight), tensor_bytes(weight, raw, archive.big_endian))
    size = math.sqrt(math.fsum(value * value for value in values) / max(1, len(values)))
    if pixels == "auto" and not names_of_caffe and 0 < size < SMALL:
        raise WeightsError(f"has a first layer with weights of {size:.2g} only, as for pixels from 0 to 255: "
                           "--input caffe takes them for those of Caffe, --input torchvision as they are")
    if pixels == "torchvision" or (pixels == "auto" and not names_of_caffe):
        return {}, ""
    if bias is None or bias.shape != weight.shape[:1]:
        raise WeightsError("has no features.0.bias of the size of its first layer")
    raw = memoryview(archive.whole_storage(bias.storage))
    bias = floats_of(output_dtype(bias), tensor_bytes(bias, raw, archive.big_endian))
    assumed = "taken for weights of Caffe (BGR, 0 to 255, less the mean), first layer turned to torchvision's"
    return dict(zip(FIRST, from_caffe(values, bias))), assumed


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
        everything, names_of_caffe = with_torchvision_names(find_state_dict(archive.root))
        tensors = {key: tensor for key, tensor in everything.items()
                   if tensor.storage.dtype.is_float and not (without_heads and key.startswith(HEADS))}
        if not tensors:
            raise WeightsError("holds no floating-point tensor")
        for key, tensor in tensors.items():
            check_extent(key, tensor)
            archive.check(tensor.storage)
        data_bytes = sum(element_count(one.shape) * one.storage.dtype.itemsize for one in tensors.values())
        file_bytes = os.fstat(stream.fileno()).st_size
        if data_bytes > 8 * file_bytes:   # tensors may share a storage, but not without end
            raise WeightsError(f"claims {data_bytes} bytes of tensors in a file of {file_bytes}")
        replaced, assumed = first_layer(archive, tensors, names_of_caffe, pixels)
        metadata = {"format": "pt", "converted_from": os.fsencode(name).decode("utf-8", "replace"),
                    "source_sha256": sha256_of(stream), **({"assumed": assumed} if assumed else {})}
        header, _ = safetensors_header(tensors, replaced, metadata)
        write_atomically(target, header, data_of(archive, tensors, replaced))
    return len(tensors), len(everything) - len(tensors), assumed


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
    parser.add_argument("--input", choices=("auto", "torchvision", "caffe"), default="auto",
                        help="the pixels that a VGG expects; auto: Caffe's for layers called conv1_1")
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
                                          args.without_heads, args.input)
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
