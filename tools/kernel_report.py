#!/usr/bin/env python3
"""Prints how efficient each kernel is: what the emulator counted, beside what ptxas gave it of a GPU's resources. Or, with
--launches, how long a GPU is predicted to take, beside what was measured.

    nvcc -cubin -arch=sm_90 -Xptxas -v ... 2> ptxas.log          # one log may hold many files and architectures
    tools/kernel_report.py counts.json --ptxas ptxas.log --arch sm_90
    tools/kernel_report.py counts.json --ptxas ptxas.log --arch sm_90 --check docs/results/kernel_counts.json
    tools/kernel_report.py --launches launches.jsonl --gpu H100 --results results.jsonl
    tools/kernel_report.py --launches launches.jsonl --gpu H100 --kernels vgg19:512:tf32

launches.jsonl is what tests/cuda/emulator/launch_list.cpp writes, results.jsonl what tools/gpu_check.sh does; the model is
tools/gpu_model.py.

counts.json is what tests/emulator/count_json.h writes. Its figures are the same on every machine; none is a time.
Without --ptxas, registers and occupancy are question marks, and --check leaves them out and says so.
Needs the standard library, and c++filt (binutils) for --ptxas.
"""
import argparse
import collections
import json
import math
import re
import subprocess
import sys

import predicted_times

TOLERANCE = 0.005    # of --check
WORTH_A_LOOK = 1.1   # a ratio above which lines are listed
LINES_LISTED = 3

# ---------------------------------------------------------------- what a multiprocessor has

Limits = collections.namedtuple(
    "Limits", "threads blocks shared shared_block reserved shared_unit gpu")
KIB = 1024
REGISTERS, REGISTER_UNIT, MOST_REGISTERS, WARP, QUARTERS = 65536, 256, 255, 32, 4

# NVIDIA, CUDA programming guide, "Compute Capabilities": per multiprocessor, but for shared_block.
ARCHITECTURES = {
    "sm_75": Limits(1024, 16, 64 * KIB, 64 * KIB, 0, 256, "T4"),
    "sm_80": Limits(2048, 32, 164 * KIB, 163 * KIB, KIB, 128, "A100"),
    "sm_86": Limits(1536, 16, 100 * KIB, 99 * KIB, KIB, 128, "RTX 3090"),
    "sm_89": Limits(1536, 24, 100 * KIB, 99 * KIB, KIB, 128, "RTX 4090"),
    "sm_90": Limits(2048, 32, 228 * KIB, 227 * KIB, KIB, 128, "H100"),
    "sm_120": Limits(1536, 24, 100 * KIB, 99 * KIB, KIB, 128, "RTX 5090"),
}

Occupancy = collections.namedtuple("Occupancy", "blocks warps percent limit")


def round_up(value, unit):
    return -(-value // unit) * unit


def occupancy(arch, threads, registers, shared):
    """Blocks and warps that a multiprocessor holds at once, and the resource that stops more (of several the
    first of registers, shared memory, threads, blocks). Registers are given to warps in units of 256, from one
    of four quarters of the file each; shared memory to blocks, with 1 KiB for the system since sm_80."""
    gpu = ARCHITECTURES[arch]
    warps = -(-threads // WARP)
    per_warp = round_up(registers * WARP, REGISTER_UNIT)
    shared_block = round_up(shared + gpu.reserved, gpu.shared_unit)
    allowed = {"blocks": gpu.blocks, "threads": gpu.threads // (warps * WARP)}
    if per_warp:
        fits = per_warp * round_up(warps, QUARTERS) <= REGISTERS and registers <= MOST_REGISTERS
        allowed["registers"] = REGISTERS // QUARTERS // per_warp * QUARTERS // warps if fits else 0
    if shared_block:
        allowed["shared"] = gpu.shared // shared_block if shared <= gpu.shared_block else 0
    limit = min(("registers", "shared", "threads", "blocks"), key=lambda name: allowed.get(name, math.inf))
    blocks = allowed[limit]
    return Occupancy(blocks, blocks * warps, 100 * blocks * warps * WARP / gpu.threads, limit)


# ---------------------------------------------------------------- reading

Resources = collections.namedtuple("Resources", "registers shared stack spill_stores spill_loads")


def plain_name(name):
    """A demangled function without return type, parameters and unnamed namespaces: `swag::tile<3, true>`."""
    name = name.replace("(anonymous namespace)::", "").replace("{anonymous}::", "")
    depth, end = 0, len(name)
    for i, c in enumerate(name):     # the parameters begin at the first parenthesis outside of <>
        if c == "<":
            depth += 1
        elif c == ">":
            depth -= 1
        elif c == "(" and depth == 0:
            end = i
            break
    name = name[:end].strip()
    depth = 0
    for i in range(len(name) - 1, -1, -1):   # the return type ends at the last space outside of <>
        depth += {">": 1, "<": -1}.get(name[i], 0)
        if name[i] == " " and depth == 0:
            name = name[i + 1:]
            break
    return re.sub(r"\s+", "", name)


def demangle(names):
    if not names:
        return {}
    try:
        out = subprocess.run(["c++filt"], input="\n".join(names) + "\n", capture_output=True, text=True,
                             check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"kernel_report.py: c++filt (binutils) is needed to read ptxas's names: {error}")
    return dict(zip(names, out.stdout.split("\n")))


def read_ptxas(text):
    """{(plain name, architecture): Resources} of what `nvcc -Xptxas -v` printed."""
    found, current, stack = {}, None, (0, 0, 0)
    for line in text.splitlines():
        entry = re.search(r"Compiling entry function '(\S+)' for '(sm_\d+)a?'", line)
        if entry:
            current, stack = entry.groups(), (0, 0, 0)
            continue
        spills = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if spills:
            stack = tuple(map(int, spills.groups()))
            continue
        used = re.search(r"Used (\d+) registers", line)
        if used and current:
            shared = re.search(r"(\d+) bytes smem", line)
            found[current] = Resources(int(used.group(1)), int(shared.group(1)) if shared else 0, *stack)
            current = None
    plain = demangle(sorted({name for name, _ in found}))
    return {(plain_name(plain[name]), arch): resources for (name, arch), resources in found.items()}


def read_counts(paths):
    cases = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as f:
                cases += json.load(f)["cases"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"kernel_report.py: {path}: not a file of counts ({error!r})")
    return cases


# ---------------------------------------------------------------- printing

HEAD = ["kernel", "threads", "registers", "spills", "shared", "occupancy (limit)", "sectors", "ratio",
        "wavefronts", "ratio", "bytes/floor", "bytes/fma", "barriers", "partial"]


def ratio(moved, fewest):
    return f"{moved / fewest:.2f}" if fewest else "-"


def shared_bytes(kernel, resources):
    static = resources.shared if resources else kernel["static_shared"]
    return static + kernel["dynamic_shared"]


def case_numbers(case):
    """Distinct bytes against the floor, and bytes moved per multiply-add; of all kernels of the case."""
    kernels = case["kernels"]
    distinct = sum(k["distinct_bytes"] for k in kernels)
    moved = 32 * sum(k["sectors"] for k in kernels)
    floor, work = case.get("floor_bytes", 0), case.get("multiply_adds", 0)
    return [f"{distinct / floor:.2f}" if floor else "-", f"{moved / work:.3g}" if work else "-"]


def kernel_row(kernel, arch, resources):
    threads = kernel["threads"] // max(1, kernel["blocks"])
    static = ["?", "?", str(shared_bytes(kernel, None)), "?"]
    if resources:
        held = occupancy(arch, threads, resources.registers, shared_bytes(kernel, resources))
        static = [str(resources.registers), str(resources.spill_stores + resources.spill_loads),
                  str(shared_bytes(kernel, resources)),
                  f"{held.blocks} x {threads} = {held.percent:.0f}% ({held.limit})"]
    return ["  " + plain_name(kernel["kernel"]), str(threads), *static,
            f"{kernel['sectors']}/{kernel['fewest_sectors']}", ratio(kernel["sectors"], kernel["fewest_sectors"]),
            f"{kernel['wavefronts']}/{kernel['fewest_wavefronts']}",
            ratio(kernel["wavefronts"], kernel["fewest_wavefronts"])]


def rows_of(cases, arch, ptxas):
    for case in cases:
        yield [case["name"] + (" *" if case.get("fast") else "")] + [""] * 9 + case_numbers(case) + ["", ""]
        for kernel in case["kernels"]:
            resources = ptxas.get((plain_name(kernel["kernel"]), arch))
            divergence = [str(kernel["barriers"]), str(kernel["partial_requests"])]
            yield kernel_row(kernel, arch, resources) + ["", ""] + divergence


def print_table(rows):
    rows = list(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def worst_lines(kernel):
    """Lines of a kernel whose ratio is high, with the most to gain first."""
    lines = [line for line in kernel["lines"] if line["moved"] > WORTH_A_LOOK * line["fewest"]]
    return sorted(lines, key=lambda line: line["fewest"] - line["moved"])[:LINES_LISTED]


def print_lines(cases):
    first = True
    for case in cases:
        for kernel in case["kernels"]:
            for line in worst_lines(kernel):
                if first:
                    print("\nlines that move more than they need:")
                    first = False
                verb = "atomic" if line["atomic"] else "write" if line["write"] else "read"
                what = "wavefronts" if line["shared"] else "sectors"
                print(f"  {line['file']}:{line['line']}  {plain_name(kernel['kernel'])} ({case['name']}): "
                      f"{verb} of {'shared' if line['shared'] else 'device'} memory, {line['moved']} {what}, "
                      f"{line['fewest']} needed ({ratio(line['moved'], line['fewest'])}), "
                      f"{line['lanes'] / line['requests']:.1f} lanes per request")


def print_report(cases, arch, gpu, ptxas):
    print(f"{arch} ({gpu})")
    print_table([HEAD, *rows_of(cases, arch, ptxas)])


# ---------------------------------------------------------------- against the record

COUNTED = ["sectors", "wavefronts", "barriers", "distinct_bytes", "partial_requests"]


def record_of(cases, archs, ptxas):
    """{case: {kernel: {figure: value}}} of what --record writes and --check reads; also of kernels that are not
    fast, so that a change shows in review."""
    record = {}
    for case in cases:
        kernels = record.setdefault(case["name"], {"fast": bool(case.get("fast")), "kernels": {}})["kernels"]
        for kernel in case["kernels"]:
            figures = {name: kernel[name] for name in COUNTED}
            threads = kernel["threads"] // max(1, kernel["blocks"])
            for arch in archs:
                resources = ptxas.get((plain_name(kernel["kernel"]), arch))
                if not resources:
                    continue
                shared = shared_bytes(kernel, resources)
                figures[arch] = {"registers": resources.registers,
                                 "spills": resources.spill_stores + resources.spill_loads, "shared": shared,
                                 "blocks": occupancy(arch, threads, resources.registers, shared).blocks}
            kernels[plain_name(kernel["kernel"])] = figures
    return record


def worse(name, now, before, where):
    """A sentence where a figure got worse, else None. Registers and shared memory matter by the blocks they allow."""
    if name in ("registers", "shared"):
        return None
    bad = now < before if name == "blocks" else now > before * (1 + TOLERANCE)
    if not bad:
        return None
    by = f"{100 * (now / before - 1):+.1f}%" if before else "there were none"
    return f"{where}: {name} {before} -> {now} ({by})"


def compare(now, before, compiled=True):
    """What got worse in fast cases, in sentences. A figure that is recorded must still be there; those of an
    architecture only if anything was `compiled` for one."""
    problems = []
    for case, entry in now.items():
        if not entry["fast"]:
            continue
        if case not in before:
            problems.append(f"{case}: fast, and has no record")
            continue
        for kernel, figures in entry["kernels"].items():
            recorded = before[case]["kernels"].get(kernel)
            if recorded is None:
                problems.append(f"{case}: {kernel} has no record")
                continue
            for name, value in recorded.items():
                if isinstance(value, dict):
                    if not compiled:
                        continue
                    current = figures.get(name)
                    if current is None:
                        problems.append(f"{case}: {kernel}: nothing known for {name}, which is recorded")
                        continue
                    where = f"{case}: {kernel} ({name})"
                    found = [worse(key, current[key], value[key], where) for key in value]
                else:
                    found = [worse(name, figures[name], value, f"{case}: {kernel}")]
                problems += [text for text in found if text]
    for case, entry in before.items():
        if not entry["fast"]:
            continue
        if not now.get(case, {}).get("fast"):
            problems.append(f"{case}: recorded as fast, and not counted now")
            continue
        gone = [kernel for kernel in entry["kernels"] if kernel not in now[case]["kernels"]]
        problems += [f"{case}: {kernel} is recorded, and not counted now" for kernel in gone]
    return problems


def print_predictions(options):
    try:
        record = predicted_times.print_tables(options.launches, options.loops, options.gpu, options.results, options.kernels)
    except (OSError, ValueError) as error:
        raise SystemExit(f"kernel_report.py: {error}")
    if options.record:
        write_record(options.record, record)
    return 0


def write_record(path, record):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(record, f, indent=1)
        f.write("\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("counts", metavar="COUNTS.json", nargs="*")
    parser.add_argument("--ptxas", action="append", default=[], metavar="LOG", help="output of nvcc -Xptxas -v")
    parser.add_argument("--arch", action="append", choices=sorted(ARCHITECTURES),
                        help="several times for several tables")
    parser.add_argument("--gpu", action="append", help="a GPU's name: for the heading, or to predict for; several times")
    parser.add_argument("--check", metavar="RECORD.json", help="exit 1 where a fast kernel got worse than this")
    parser.add_argument("--record", metavar="RECORD.json", help="write what --check compares with, or what was predicted")
    parser.add_argument("--launches", action="append", metavar="LIST.jsonl", help="predict the times of these launches")
    parser.add_argument("--loops", default=predicted_times.LOOPS, metavar="LOOPS.json", help="main loops, as tools/sass_loops.py writes them")
    parser.add_argument("--results", metavar="RESULTS.jsonl", help="what was measured, to stand beside")
    parser.add_argument("--kernels", action="append", default=[], metavar="NETWORK:SIZE:PRECISION",
                        help="predict every op of that evaluation, too")
    options = parser.parse_args(arguments)
    if options.launches:
        return print_predictions(options)
    if not options.counts:
        parser.error("nothing to report: name counts, or --launches")
    archs = options.arch or ["sm_90"]
    cases = read_counts(options.counts)
    ptxas = {}
    for path in options.ptxas:
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                ptxas.update(read_ptxas(f.read()))
        except OSError as error:
            raise SystemExit(f"kernel_report.py: {path}: {error.strerror}")
    for arch in archs:
        print_report(cases, arch, options.gpu[0] if options.gpu else ARCHITECTURES[arch].gpu, ptxas)
        print()
    print("* fast: must not get worse. sectors (32 bytes of device memory) and wavefronts (of shared memory):")
    print("moved/fewest possible. partial: requests by some lanes of a warp only.")
    print_lines(cases)
    now = record_of(cases, archs, ptxas)
    problems = []
    if options.check:
        try:
            with open(options.check, encoding="utf-8") as f:
                problems = compare(now, json.load(f), compiled=bool(options.ptxas))
        except (OSError, ValueError) as error:
            raise SystemExit(f"kernel_report.py: {options.check}: {error}")
        for problem in problems:
            print(f"kernel_report.py: worse: {problem}", file=sys.stderr)
        if not problems:
            left_out = "" if options.ptxas else " (counts alone: nothing was compiled for a GPU)"
            print(f"\nno fast kernel is worse than {options.check}{left_out}")
    if options.record:
        write_record(options.record, now)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
