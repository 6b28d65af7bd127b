#!/usr/bin/env python3
"""Converts PyTorch weights (.pth, .pt, .bin: a state_dict) to safetensors, with the standard library alone.

    convert_weights.py vgg19-dcbb9e9d.pth vgg19.safetensors

Reads both of torch.save's formats, the zip file (torch >= 1.6) and the older stream of pickles. A pickle is
a program: here it runs without any function of torch's or Python's, only the few markers in `MARKERS`;
everything else that it names is refused. Sizes are checked against the file before memory is taken.

float64 becomes F32, float16 and bfloat16 stay as they are; integers (batch norm's counters) are left out.
Values are copied bit by bit. Exit codes: 2 usage, 4 the input, 6 memory, 8 the output.
"""
import argparse
import array
import collections
import functools
import io
import json
import os
import pickle
import pickletools
import struct
import sys
import zipfile

EXIT_WEIGHTS, EXIT_MEMORY, EXIT_OUTPUT, EXIT_INTERRUPTED = 4, 6, 8, 130
MAX_PICKLE_BYTES = 64 << 20   # a state_dict's pickle has some hundred bytes per tensor
MAX_RANK = 8
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
HEADS = ("fc.", "classifier.", "aux", "AuxLogits.", "head.", "pre_logits.")   # of torchvision and timm


class WeightsError(Exception):
    """The input cannot or must not be read; the text says why."""


# ---------------------------------------------------------------- what a pickle may name

# Everything a pickle can get hold of is immutable, so it cannot bend one marker for the next.
DType = collections.namedtuple("DType", "name itemsize is_float")
Storage = collections.namedtuple("Storage", "key dtype numel begin")   # `numel` elements from `begin` on
Tensor = collections.namedtuple("Tensor", "storage offset shape stride")


class StateDict(dict):
    """Stands in for OrderedDict: a dict keeps its order too."""

    def __setstate__(self, attributes):
        pass   # _metadata, or an attempt to hide dict's own methods


def is_natural(value):
    return type(value) is int and 0 <= value < 1 << 62


class RebuildTensor:
    __slots__ = ()

    def __call__(self, storage, offset, shape, stride, *_requires_grad_and_hooks):
        ok = isinstance(storage, Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)
        ok = ok and len(shape) == len(stride) <= MAX_RANK
        if not (ok and all(map(is_natural, (offset,) + shape + stride))):
            raise WeightsError("has a tensor with a shape or stride that makes no sense")
        return Tensor(storage, offset, shape, stride)


class RebuildParameter:
    __slots__ = ()

    def __call__(self, data, *_requires_grad_and_hooks):
        return data


class MakeStateDict:
    __slots__ = ()

    def __call__(self, *args):
        return StateDict(*args)


MARKERS = {
    ("collections", "OrderedDict"): MakeStateDict(),
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


class MarkerUnpickler(pickle.Unpickler):
    """Fills `itemsizes` with the bytes per element of every storage that the pickle refers to."""

    def __init__(self, stream, itemsizes):
        super().__init__(stream, encoding="utf-8")   # of strings that Python 2 wrote
        self.itemsizes = itemsizes

    def find_class(self, module, name):
        if (module, name) not in MARKERS:
            raise WeightsError(f"names {module}.{name}, which is refused: nothing in it was run. Only a "
                               "plain state_dict is read; save model.state_dict() instead")
        return MARKERS[module, name]

    def persistent_load(self, pid):
        ok = isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == "storage"
        if not (ok and isinstance(pid[1], DType) and isinstance(pid[2], str) and is_natural(pid[4])):
            raise WeightsError("refers to something that is no tensor storage")
        _, dtype, key, _device, numel = pid[:5]
        if self.itemsizes.setdefault(key, dtype.itemsize) != dtype.itemsize:
            raise WeightsError(f"has storage '{key}' in two types")
        view = pid[5] if len(pid) == 6 else None
        if view is None:
            return Storage(key, dtype, numel, 0)
        if not (isinstance(view, tuple) and len(view) == 3 and is_natural(view[1]) and is_natural(view[2])):
            raise WeightsError("has a storage view that makes no sense")
        return Storage(key, dtype, view[2], view[1])


def load_pickle(stream, itemsizes=None):
    """The next pickle of a stream, as markers and plain values; leaves the stream behind it."""
    begin = stream.tell()
    largest_memo = 0
    try:
        for opcode, argument, position in pickletools.genops(stream):
            if "PUT" in opcode.name:
                largest_memo = max(largest_memo, int(argument))
            if position - begin > MAX_PICKLE_BYTES:
                raise WeightsError("has a pickle larger than any state_dict's")
        size = stream.tell() - begin
        if largest_memo > size:   # Python would take memory for that many entries
            raise WeightsError("has a pickle with an absurd memo index")
        stream.seek(begin)
        return MarkerUnpickler(io.BytesIO(stream.read(size)), {} if itemsizes is None else itemsizes).load()
    except WeightsError:
        raise
    except Exception as error:   # a broken pickle raises nearly anything: IndexError, UnicodeDecodeError, ...
        raise WeightsError(f"has a damaged pickle ({type(error).__name__}: {error})") from None


# ---------------------------------------------------------------- the two file formats

class ZipArchive:
    """torch >= 1.6: NAME/data.pkl, NAME/data/KEY with the bytes of a storage each, NAME/byteorder."""

    def __init__(self, stream):
        try:
            self.zip = zipfile.ZipFile(stream)
        except Exception as error:
            raise WeightsError(f"is a damaged or truncated zip file ({error}); download it again") from None
        self.members = {}
        for info in self.zip.infolist():
            if info.filename in self.members:
                raise WeightsError(f"has {info.filename} twice")
            self.members[info.filename] = info
        pickles = [name for name in self.members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError("is a zip file without torch's data.pkl")
        self.folder = pickles[0][:-len("data.pkl")]
        self.big_endian = self.folder + "byteorder" in self.members and self.read("byteorder", 6) == b"big"
        self.root = load_pickle(io.BytesIO(self.read("data.pkl", MAX_PICKLE_BYTES)))

    def read(self, name, max_bytes, exact=False):
        info = self.members.get(self.folder + name)
        if info is None:
            raise WeightsError(f"has no member {name}")
        # torch stores without compression: what is claimed is then what the file has.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise WeightsError(f"has a compressed member {name}, which torch does not write")
        if info.file_size > max_bytes or (exact and info.file_size != max_bytes):
            raise WeightsError(f"has {info.file_size} bytes in {name}, expected {max_bytes}")
        try:
            data = self.zip.read(info)
        except Exception as error:
            raise WeightsError(f"has a damaged member {name} ({error}); download it again") from None
        if len(data) != info.file_size:
            raise WeightsError(f"is truncated in {name}")
        return data

    def storage_bytes(self, storage):
        if storage.begin != 0:
            raise WeightsError("has a storage view, which this format does not know")
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

    def storage_bytes(self, storage):
        position, numel = self.places.get(storage.key, (0, -1))
        if storage.begin + storage.numel > numel:
            raise WeightsError(f"has {max(numel, 0)} elements in storage '{storage.key}', expected "
                               f"{storage.begin + storage.numel}")
        self.stream.seek(position + storage.begin * storage.dtype.itemsize)
        return self.stream.read(storage.numel * storage.dtype.itemsize)


def open_archive(stream):
    file_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    start = stream.read(64)
    stream.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return ZipArchive(stream)
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

def find_state_dict(root):
    """{name: Tensor}: the object itself, or what training scripts keep under 'state_dict' or 'model'."""
    for key in (None, "state_dict", "model"):
        state = root if key is None else root.get(key) if isinstance(root, dict) else None
        if isinstance(state, dict):
            tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
            if tensors:
                break
    else:
        raise WeightsError("holds no state_dict: no tensor under a name")
    if not all(isinstance(name, str) and name != "__metadata__" for name in tensors):
        raise WeightsError("has a tensor whose name is no text")
    if all(name.startswith("module.") for name in tensors):   # DataParallel's
        tensors = {name[len("module."):]: tensor for name, tensor in tensors.items()}
    return tensors


def element_count(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def check_extent(name, tensor):
    """Every element a tensor reaches lies in its storage, and it has no more elements than that."""
    count = element_count(tensor.shape)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride))
    if count > 0 and (last >= tensor.storage.numel or count > tensor.storage.numel):
        raise WeightsError(f"has {name} of shape {tensor.shape} reach beyond the {tensor.storage.numel} "
                           "elements of its storage")


def copy_strided(target, source, offset, shape, stride):
    """Appends the elements of a strided view to `target`, rows first; both are arrays of one type."""
    if not shape:
        target.append(source[offset])
    elif len(shape) == 1:
        step = stride[0] or 1
        row = source[offset:offset + (shape[0] - 1) * step + 1:step]
        target.extend(row if stride[0] else array.array(source.typecode, [source[offset]] * shape[0]))
    else:
        for i in range(shape[0]):
            copy_strided(target, source, offset + i * stride[0], shape[1:], stride[1:])


def is_contiguous(shape, stride):
    expected = 1
    for size, step in zip(reversed(shape), reversed(stride)):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True


def array_of(itemsize, data=b""):
    return array.array({2: "H", 4: "I", 8: "Q"}[itemsize], data)


def tensor_bytes(tensor, raw, big_endian):
    """The elements in row-major order, little-endian, in the type of output_dtype; `raw` is the storage."""
    dtype = tensor.storage.dtype
    count = element_count(tensor.shape)
    if count == 0:
        return b""
    if is_contiguous(tensor.shape, tensor.stride):
        raw = raw[tensor.offset * dtype.itemsize:(tensor.offset + count) * dtype.itemsize]
    else:
        target = array_of(dtype.itemsize)
        copy_strided(target, array_of(dtype.itemsize, raw), tensor.offset, tensor.shape, tensor.stride)
        raw = target.tobytes()
    if big_endian:
        swapped = array_of(dtype.itemsize, raw)
        swapped.byteswap()
        raw = swapped.tobytes()
    return array.array("f", array.array("d", raw)).tobytes() if dtype.name == "F64" else raw


def output_dtype(tensor):
    return "F32" if tensor.storage.dtype.name == "F64" else tensor.storage.dtype.name


def safetensors_header(tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        dtype = output_dtype(tensor)
        end = offset + element_count(tensor.shape) * (2 if dtype in ("F16", "BF16") else 4)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, offset


def convert(source, target, without_heads):
    """Writes `target` from `source`. Returns how many tensors were kept and left out."""
    with open(source, "rb") as stream:
        archive = open_archive(stream)
        everything = find_state_dict(archive.root)
        tensors = {name: tensor for name, tensor in everything.items()
                   if tensor.storage.dtype.is_float and not (without_heads and name.startswith(HEADS))}
        if not tensors:
            raise WeightsError("holds no floating-point tensor")
        for name, tensor in tensors.items():
            check_extent(name, tensor)
        metadata = {"format": "pt", "converted_from": os.path.basename(source)}
        header, data_bytes = safetensors_header(tensors, metadata)
        file_bytes = os.path.getsize(source)
        if data_bytes > 8 * file_bytes:   # tensors may share a storage, but not without end
            raise WeightsError(f"claims {data_bytes} bytes of tensors in a file of {file_bytes}")
        storage_bytes = functools.lru_cache(maxsize=1)(archive.storage_bytes)   # tensors may be views of one
        chunks = (tensor_bytes(tensor, storage_bytes(tensor.storage), archive.big_endian)
                  for tensor in tensors.values())
        write_atomically(target, header, chunks)
    return len(tensors), len(everything) - len(tensors)


def write_atomically(target, header, chunks):
    part = f"{target}.{os.getpid()}.part"
    try:
        with open(part, "xb") as stream:
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


def fail(code, path, problem):
    text = " ".join(f"convert_weights.py: {path}: {problem}".split())   # a file's names may hold anything
    print("".join(c if c.isprintable() else "?" for c in text), file=sys.stderr)
    return code


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN.pth")
    parser.add_argument("target", metavar="OUT.safetensors")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing OUT")
    parser.add_argument("--without-heads", action="store_true",
                        help="leave out the classifier, which swag does not read (most of a VGG's file)")
    args = parser.parse_args(arguments)
    if os.path.abspath(args.source) == os.path.abspath(args.target):
        parser.error("IN and OUT are the same file")
    if os.path.exists(args.target) and not args.overwrite:
        return fail(EXIT_OUTPUT, args.target, "exists already; --overwrite replaces it")
    if not os.path.isfile(args.source):
        return fail(EXIT_WEIGHTS, args.source, "no such file")
    try:
        kept, left_out = convert(args.source, args.target, args.without_heads)
    except WeightsError as error:
        return fail(EXIT_WEIGHTS, args.source, error)
    except OSError as error:
        if error.filename == args.source:
            return fail(EXIT_WEIGHTS, args.source, error.strerror)
        return fail(EXIT_OUTPUT, args.target, f"cannot be written: {error.strerror}")
    except MemoryError:
        return fail(EXIT_MEMORY, args.source, "does not fit into memory")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    print(f"{args.target}: {kept} tensors" + (f", {left_out} left out" if left_out else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
