#!/usr/bin/env python3
"""Fuzzes tools/convert_weights.py in this process: files of torch.save, changed as zip, tar, pickle or bytes,
and of safetensors.

    tests/fuzz/conversion.py [--seconds 60] [--seed 1] [--found FOLDER] [FILE ...]   # a FILE is replayed instead

A worker that dies, hangs, takes memory without bound, answers with anything but an exit code of its own and one line,
leaves a file behind or writes a file that is no safetensors leaves its input in FOLDER, and the exit status is 1.
"""
import argparse
import contextlib
import io
import json
import os
import pathlib
import pickle
import pickletools
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]
import mutations  # noqa: E402
from test_convert_weights import converter, read_safetensors  # noqa: E402
from torch_files import (  # noqa: E402
    entry, floats, integer, legacy_file, one_tensor, ordered_dict, storage, tensor, text, whole, zip_file)

warnings.simplefilter("ignore")   # of members with one name
SECONDS_EACH, MEMORY_EACH = 10, 1 << 30
INPUTS_PER_WORKER = 500
CODES = (0, converter.EXIT_WEIGHTS, converter.EXIT_OUTPUT)   # small files need no memory worth speaking of
OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
WORDS = [b"state_dict", b"features.", b"conv1_1", b"0.weight", b"model", b"module.", b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
         b"cos\nsystem\n", b"ccollections\nOrderedDict\n", b")R", b"tQ", b"\x80\x02", b"PK\3\4", b"PK\1\2", b"archive/data/0"]


# ---------------------------------------------------------------- seeds and their changes

def bodies():
    """(pickle body, storages): what state_dicts look like."""
    data = {"0": floats(*range(12)), "1": bytes(24)}
    first, second = storage("FloatStorage", "0", 12), storage("HalfStorage", "1", 12)
    view = b"(" + text("view") + integer(1) + integer(2) + b"t"
    yield one_tensor((4,), numel=12), data
    two = entry("fc.weight", tensor(first, (4, 3), (1, 4))) + entry("bn1.bias", tensor(second, (2,), (1,), 3))
    yield ordered_dict(two), data
    state = ordered_dict(entry("module.bn1.weight", tensor(first, (2,), (1,))))
    yield ordered_dict(entry("epoch", integer(3)) + entry("state_dict", state)), data
    yield state + b"}" + text("_metadata") + ordered_dict() + b"sb", data
    yield ordered_dict(entry("fc.w", tensor(storage("FloatStorage", "0", 12, view), (2,), (1,)))), data
    for names in (("conv1_1", "conv1_2", "fc6"), ("model.features.0", "model.features.3"), ("0", "2")):
        layer = entry(names[0] + ".weight", tensor(storage("FloatStorage", "0", 12), (1, 3, 3, 3), (0, 1, 3, 1)))
        rest = b"".join(entry(one + ".bias", tensor(first, (1,), (1,), i)) for i, one in enumerate(names))
        yield ordered_dict(layer + rest), data
    yield b"}(" + entry("x", b"((K\1K\2tK\3t") + entry("model", state) + b"u", data


def legacy(body, storages):
    sizes = {"0": 4, "1": 2}
    return legacy_file(body, [(key, len(data) // sizes.get(key, 4), data) for key, data in storages.items()])


def tar_file(body, storages):
    """Before torch 0.2: a tar with the members storages, tensors and pickle."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        contents = {"sys_info": pickle.dumps({}, 2), "pickle": whole(body), "storages": b"".join(storages.values())}
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def safetensors_file(chance):
    """A small one, with names, types, shapes and places that may be wrong."""
    header, end = {}, 0
    for name in chance.sample(("features.0.weight", "features.0.bias", "model.bn1.bias", "fc.w", "x"), 3):
        shape = (1, 3, 3, 3) if name.endswith("0.weight") else (chance.choice((1, 2, 0, -1, 1 << 61)),)
        begin, end = end, end + 4 * max(0, min(shape[0] * (27 if len(shape) > 1 else 1), 99))
        header[name] = {"dtype": chance.choice(("F32",) * 5 + ("F64", "F8")), "shape": shape, "data_offsets": [begin, end]}
    body = json.dumps(header).encode()
    return struct.pack("<Q", len(body)) + body + bytes(end)


def changed_pickle(chance, body):
    """Opcodes dropped, repeated, exchanged, put in, or their arguments changed."""
    places = []
    with contextlib.suppress(Exception):
        places = [place for _, _, place in pickletools.genops(body + b".")]
    if len(places) < 3:
        return mutations.plain(chance, body, WORDS)
    pieces = [body[a:b] for a, b in zip(places, places[1:])]
    for _ in range(chance.randint(1, 3)):
        i, j = chance.randrange(len(pieces)), chance.randrange(len(pieces))
        kind = chance.randrange(7)
        if kind == 0:
            pieces[i] = b""
        elif kind == 1:
            pieces.insert(j, b"".join(pieces[min(i, j):max(i, j) + 1]) * chance.choice((1, 1, 30)))
        elif kind == 2:
            pieces[i], pieces[j] = pieces[j], pieces[i]
        elif kind == 3:
            pieces.insert(i, chance.choice(OPCODES) + bytes(chance.randrange(4) for _ in range(chance.randrange(3))))
        elif kind == 4:
            pieces.insert(i, integer(chance.choice(mutations.EDGES) - chance.randrange(2)))
        elif kind == 5:
            twice = chance.choice((b"2\x86", b"2\x85", b"(", b"]", b"}", b")", b"q\0h\0", b"0"))
            pieces.insert(i, twice * chance.choice((1, 2, 40)))
        else:
            pieces[i] = pieces[i][:1] + mutations.plain(chance, pieces[i][1:], WORDS)
    return b"".join(pieces)


def changed_zip(chance, body, storages):
    """Members with other names, contents or compression."""
    stream = io.BytesIO()
    members = [("archive/data.pkl", whole(body)), ("archive/byteorder", chance.choice((b"little", b"big", b"x"))),
               *((f"archive/data/{key}", data) for key, data in storages.items())]
    for i, (name, data) in enumerate(members):
        if chance.random() < 0.1:
            members[i] = chance.choice(("../x", "data.pkl", "a/b/data.pkl", "archive/data/0", name + "\n", "")), data
        if chance.random() < 0.1:
            members[i] = name, mutations.plain(chance, data)
    with zipfile.ZipFile(stream, "w", chance.choice((zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED,))) as archive:
        for name, data in members:
            archive.writestr(name or "empty", data)
    return stream.getvalue()


def new_input(chance, seeds):
    body, storages = chance.choice(seeds)
    if chance.random() < 0.1:
        data = safetensors_file(chance)
        return mutations.plain(chance, data, WORDS) if chance.random() < 0.5 else data
    if chance.random() < 0.7:
        body = changed_pickle(chance, body)
    kind = chance.randrange(8)
    data = (legacy(body, storages) if kind < 3 else tar_file(body, storages) if kind == 3 else
            zip_file(body, storages) if kind < 6 else changed_zip(chance, body, storages))
    return mutations.plain(chance, data, WORDS) if chance.random() < 0.4 else data


# ---------------------------------------------------------------- one input

def check(folder, data):
    """Raises AssertionError, or whatever the converter lets out."""
    source, target = os.path.join(folder, "in.pth"), os.path.join(folder, "out.safetensors")
    with open(source, "wb") as stream:
        stream.write(data)
    errors, output = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
        code = converter.main(["--overwrite", source, target])
    said = errors.getvalue()
    assert code in CODES, f"exit code {code}: {said}"
    assert said.count("\n") == (code != 0) and len(said) < 1200, f"not one line: {said[:200]!r}"
    assert all(c.isprintable() for c in said.strip("\n")), f"not printable: {said!r}"
    left = sorted(os.listdir(folder))
    assert left == ["in.pth"] + ["out.safetensors"] * (code == 0), f"left behind: {left}"
    if code == 0:
        tensors, _ = read_safetensors(target)
        for name, (dtype, shape, values) in tensors.items():
            size = {"F32": 4, "F16": 2, "BF16": 2}[dtype]
            for extent in shape:
                size *= extent
            assert len(values) == size, f"{name}: {len(values)} bytes, {size} expected"
        os.remove(target)


def work(folder, seed, seconds, progress):
    """Inputs until the time is up; in a process of its own. `progress` is told after each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_EACH, MEMORY_EACH))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)   # ends what a handler in Python could not reach
    chance, seeds, end = random.Random(seed), list(bodies()), time.monotonic() + seconds
    for _ in range(INPUTS_PER_WORKER):
        if time.monotonic() > end:
            break
        data = new_input(chance, seeds)
        signal.setitimer(signal.ITIMER_REAL, SECONDS_EACH)
        check(folder, data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(progress, b".")


def run_worker(folder, seed, seconds):
    """(inputs that were answered, what went wrong or "")"""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            work(folder, seed, seconds, writer)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answered = len(stream.read())
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return answered, "" if code == 0 else f"signal {-code}" if code < 0 else "an exception or a broken promise, see above"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--found", default="found")
    parser.add_argument("inputs", nargs="*")
    args = parser.parse_args()
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    executions, failures, seed, end = 0, 0, args.seed, time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        for path in args.inputs:
            check(folder, pathlib.Path(path).read_bytes())
        while not args.inputs and time.monotonic() < end and failures < 10:
            answered, problem = run_worker(folder, seed, end - time.monotonic())
            executions += answered
            if problem:
                failures += 1
                os.makedirs(args.found, exist_ok=True)
                kept = os.path.join(args.found, f"conversion-{seed}.pth")
                shutil.copy(os.path.join(folder, "in.pth"), kept)
                print(f"{kept}: {problem}", flush=True)
            for left in os.listdir(folder):
                os.remove(os.path.join(folder, left))
            seed += 1
    print(f"{executions} executions, {failures} found, seeds {args.seed} to {seed - 1}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
