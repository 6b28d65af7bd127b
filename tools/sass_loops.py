#!/usr/bin/env python3
"""Writes how many instructions the main loop of each kernel has for how many products, as a GPU's machine code has it.

    cuobjdump -sass kernel.o > kernel.sass
    tools/sass_loops.py kernel.sass ... > docs/results/kernel_loops.json

The main loop is the innermost with most products (HGMMA, else HMMA, else FFMA). Of an HGMMA, which four warps issue together for 64 rows,
a warp's part is 16 rows, so it counts as many HMMAs of 16 x 8. What a branch within the loop can skip and neither loads, stores nor
multiplies is not counted: it is for some rounds only, as where the GEMM adds up its pieces. tools/gpu_model.py takes the
issue slots of a product from it. cuobjdump comes with the CUDA toolkit. Needs the standard library and c++filt (binutils).
"""
import json
import re
import sys

from kernel_report import demangle, plain_name

INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);")
UNITS = ("HGMMA", "HMMA", "FFMA")
MOVES = ("LD", "ST", "ATOM", "RED", *UNITS)  # LDGSTS too
FEWEST = 16  # products of a main loop: fewer are the arithmetic of something else


def branches(code):
    """(index, index of its target) of every branch."""
    index = {address: i for i, (address, _, _) in enumerate(code)}
    for i, (_, operation, operands) in enumerate(code):
        target = re.search(r"0x([0-9a-f]+)", operands) if operation.startswith("BRA") else None
        if target and int(target[1], 16) in index:
            yield i, index[int(target[1], 16)]


def skipped(code, jumps, first, last):
    """Instructions of a loop that do not count."""
    aside = set()
    for begin, end in jumps:
        inside = code[begin + 1:end]
        if first <= begin < end <= last and not any(op.startswith(MOVES) for _, op, _ in inside):
            aside.update(range(begin + 1, end))
    return len(aside)


def products_of(operation, unit):
    if not operation.startswith(unit):
        return 0
    columns = re.match(r"HGMMA\.64x(\d+)x", operation)
    return int(columns[1]) // 8 if columns else 1


def main_loop(code):
    """[instructions, products] of [(address, operation, operands)], or None where no loop has products."""
    unit = next((unit for unit in UNITS if any(operation.startswith(unit) for _, operation, _ in code)), UNITS[-1])
    jumps = list(branches(code))
    loops = []
    for last, first in jumps:
        if any(operation.startswith("EXIT") for _, operation, _ in code[first:last]):
            continue  # not a loop: from behind the kernel's end, where waiting has been put, back to what waits
        products = sum(products_of(operation, unit) for _, operation, _ in code[first:last + 1])
        if first < last and products >= FEWEST:
            loops.append((first, last, products))
    inner = [loop for loop in loops if not any(loop[0] <= other[0] and other[1] <= loop[1] and other != loop for other in loops)]
    if not inner:
        return None
    first, last, products = max(inner, key=lambda loop: loop[2])
    return [last - first + 1 - skipped(code, jumps, first, last), products]


def short_name(name):
    """As tests/cuda/emulator/launch_list.cpp has it: without namespaces and types of enumerators, "tile_kernel<Float16, 3, true>"."""
    name = re.sub(r"(?:\w+::)+", "", plain_name(name))
    return re.sub(r"\(\w+\)(?=\d)", "", name).replace(",", ", ")


def read(text):
    """{architecture: {kernel: [instructions, products]}} of what `cuobjdump -sass` printed."""
    found, architecture, code = {}, None, None
    for line in text.splitlines():
        header = re.match(r"\s*arch = (sm_\d+)|\s*Function : (\S+)", line)
        if header and header[1]:
            architecture = header[1]
        elif header:
            code = found.setdefault(architecture, {}).setdefault(header[2], [])
        elif code is not None:
            instruction = INSTRUCTION.match(line)
            if instruction:
                code.append((int(instruction[1], 16), instruction[2], instruction[3]))
    names = demangle(sorted({name for kernels in found.values() for name in kernels}))
    loops = {}
    for architecture, kernels in found.items():
        for name, code in kernels.items():
            loop = main_loop(code)
            if loop:
                loops.setdefault(architecture, {})[short_name(names[name])] = loop
    return loops


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} KERNEL.sass ...")
    loops = {}
    for path in sys.argv[1:]:
        try:
            with open(path, encoding="utf-8") as file:
                for architecture, kernels in read(file.read()).items():
                    loops.setdefault(architecture, {}).update(kernels)
        except OSError as error:
            sys.exit(f"sass_loops.py: {error}")
    rows = [f' "{architecture}": {{\n' + ",\n".join(f"  {json.dumps(name)}: {json.dumps(loop)}" for name, loop in sorted(kernels.items())) + "}"
            for architecture, kernels in sorted(loops.items())]
    print("{\n" + ",\n".join(rows) + "\n}")


if __name__ == "__main__":
    main()
