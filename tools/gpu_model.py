"""Predicts how long a GPU takes for what tests/cuda/emulator/launch_list.cpp has listed: a model that can be wrong.

A kernel takes as long as the slowest of what it needs, and a fixed time to begin and to end:

    multiply-adds    of the processor that has most to do (blocks are dealt out whole), at BUSY of what its units do
    instructions     the same multiply-adds times the main loop's instructions for each (kernel_loops.json), four a clock
    device memory    bytes; where they are at most half the second-level cache, which then holds them, at its rate
    second level     bytes that the tiles of all blocks ask for

An evaluation is the sum of its kernels, a gap between each two, and the reading back of a report.

What is left out: the time in which one block's end and the next one's beginning do not overlap, clocks that fall under
load, shared memory, conflicts of any kind. Of the constants, those marked `assumed` nobody has measured here; where a
file of results has what kernels/limits measured on the same GPU, that is taken in their place. Needs the standard library.
"""
import collections
import heapq
import json

# sms, clock (GHz, under load), and per clock and processor the multiply-adds in float32, TF32, 16 bits;
# tensor: the share of the tensor cores' peak that mma.sync reaches; memory and l2 in GB/s at their peak, l2_mib.
Gpu = collections.namedtuple("Gpu", "arch sms clock float32 tf32 half tensor memory l2 l2_mib")

# Processors, rates, memory: NVIDIA's white papers of A100 (80 GB), H100 and Ada, the data sheet of the H200. Clocks: the boost of the
# white papers; of Hopper 1.755 as PMC10448217's table 3 has it, for it falls under load, and 1.98 is its most.
# tensor: 0.62 of Hopper is published (arXiv 2501.12084: the rest takes wgmma); 0.90 of the others is assumed. Bfloat16 is as half.
# l2: 5120 bytes a clock of A100 and H100 (the same table 3), the H200's as the H100's; of the RTX 4090 assumed.
GPUS = {
    "H100": Gpu("sm_90", 132, 1.755, 128, 1024, 2048, 0.62, 3350, 8986, 50),
    "H200": Gpu("sm_90", 132, 1.755, 128, 1024, 2048, 0.62, 4800, 8986, 50),
    "A100": Gpu("sm_80", 108, 1.410, 64, 512, 1024, 0.90, 2039, 7219, 40),
    "RTX 4090": Gpu("sm_89", 128, 2.520, 128, 128, 256, 0.90, 1008, 7200, 72),
}

BUSY = 0.85          # assumed: the rest is barriers, the pipeline's beginning, the epilogue
MEMORY_SHARE = 0.90  # of the peak, by a copy: others have measured 4.3 of an H200's 4.8 TB/s
L2_SHARE = 0.70      # assumed
GAP = {"graph": 1.2, "stream": 3.0}  # assumed, us: from one kernel's end to the next one's beginning
RAMP = 0.8           # assumed, us: first loads of the first blocks, last stores of the last
READ_BACK = 15.0     # assumed, us: of an evaluation's report, with the host that wakes up
CACHED = 0.5         # assumed: the share of the second-level cache in which an op still finds its operands
WARP, SCHEDULERS = 32, 4
TENSOR_UNITS = ("tensor", "wgmma")
BLAS_TILE = 128      # assumed: of cuBLAS's SGEMM
WGMMA = 0.70         # assumed: the share of the tensor cores' peak that wgmma reaches under the power that Hopper may take,
WGMMA_NARROW = 0.50  # assumed: and with tiles of 64 channels, where it reads shared memory as fast as that goes

# Multiply-adds of one instruction of a warp: FFMA; mma.sync of 16 x 8 x 8 and 16 x 8 x 16, in which those of wgmma are counted, too.
INSTRUCTION = {"float32": 32, "tf32": 1024, "half": 2048}

# What kernels/limits/limits.cu calls what it measures.
LIMITS = {"copy, read and written": "memory", "second-level cache, read": "l2", "multiply-adds, float32": "float32",
          "mma.sync, TF32": "tf32", "mma.sync, half": "half", "launches in a graph": "graph", "launches in a row": "stream"}

# gap: us; multiply_adds: per second and processor by unit; memory, l2: bytes per second; measured: names of limits.
Rates = collections.namedtuple("Rates", "arch sms clock multiply_adds memory l2 l2_bytes gap measured")

# us without the gap; bound: what takes longest.
Time = collections.namedtuple("Time", "us bound")


def find_gpu(name):
    """The name in GPUS that is, or is a part of, `name` ("NVIDIA H100 80GB HBM3"). Raises ValueError listing all."""
    for known in GPUS:
        if known.lower() in name.lower():
            return known
    raise ValueError(f"no GPU {name!r} in the model; it knows {', '.join(GPUS)}")


def rates(name, limits=None, launches="graph"):
    """What the GPU does, with {limit: value} of kernels/limits in place of what is assumed."""
    gpu = GPUS[find_gpu(name)]
    limits = {LIMITS[key]: value for key, value in (limits or {}).items() if key in LIMITS}
    clock = gpu.clock * 1e9
    units = {"float32": gpu.float32 * clock}
    for unit, peak in (("tf32", gpu.tf32 * clock), ("half", gpu.half * clock)):
        units.update({unit: peak * gpu.tensor, unit + ", wgmma": peak * WGMMA, unit + ", narrow wgmma": peak * WGMMA_NARROW})
    for unit in units:
        if unit in limits:
            units[unit] = limits[unit] * 1e12 / 2 / gpu.sms
    memory = limits["memory"] * 1e9 if "memory" in limits else gpu.memory * 1e9 * MEMORY_SHARE
    l2 = limits["l2"] * 1e9 if "l2" in limits else gpu.l2 * 1e9 * L2_SHARE
    return Rates(gpu.arch, gpu.sms, clock, units, memory, l2, gpu.l2_mib << 20, limits.get(launches, GAP[launches]), sorted(limits))


def makespan(parts, processors):
    """The most that a processor has to do, when blocks go in order to whichever is free first. parts: (blocks, work)."""
    if len(parts) == 1:
        blocks, work = parts[0]
        return -(-blocks // processors) * work
    ends = [0.0] * processors
    for blocks, work in parts:
        for _ in range(blocks if work else 0):
            heapq.heapreplace(ends, ends[0] + work)
    return max(ends)


def blas_parts(product):
    """cuBLAS's blocks, as far as one can know them."""
    m, n, k, batch = product
    tile_m, tile_n = (BLAS_TILE if side > BLAS_TILE // 2 else BLAS_TILE // 2 for side in (m, n))
    return [(-(-m // tile_m) * -(-n // tile_n) * batch, tile_m * tile_n * k)]


def unit_of(launch, precision):
    """Which of Rates.multiply_adds the launch uses, or None."""
    if launch["unit"] in TENSOR_UNITS:
        operands = "half" if precision.startswith("half") else "tf32"
        return operands + ("" if launch["unit"] == "tensor" else ", narrow wgmma" if launch["n"] <= 64 else ", wgmma")
    return {"float": "float32", "blas": "float32"}.get(launch["unit"])


def launch_time(launch, precision, gpu, loops):
    """Time of one launch of a list. loops: {architecture: {kernel: [instructions, products]}}, of main loops."""
    needs = {}
    unit = unit_of(launch, precision)
    if unit:
        parts = blas_parts(launch["product"]) if "product" in launch else launch["parts"]
        rate = gpu.multiply_adds[unit] * BUSY
        most = makespan(parts, gpu.sms)
        # A block of less than four warps leaves schedulers idle unless others are beside it.
        alone = max(work for _, work in parts) / min(1, launch.get("threads", WARP * SCHEDULERS) / WARP / SCHEDULERS)
        needs["tensor cores" if launch["unit"] in TENSOR_UNITS else "multiply-adds"] = max(most, alone) / rate
        loop = loops.get(gpu.arch, {}).get(launch["kernel"])
        if loop:
            instructions, products = loop
            slots = max(most, alone) / INSTRUCTION[unit.partition(",")[0]] * instructions / products
            needs["instructions"] = slots / (SCHEDULERS * gpu.clock * BUSY)
    cached = launch["bytes"] <= CACHED * gpu.l2_bytes
    needs["L2" if cached else "memory"] = launch["bytes"] / (gpu.l2 if cached else gpu.memory)
    if "l2_bytes" in launch:
        needs["L2"] = max(needs.get("L2", 0), launch["l2_bytes"] / gpu.l2)
    bound = max(needs, key=needs.get)
    us = needs[bound] * 1e6
    return Time(us + RAMP, bound if us > RAMP else "latency")


def without_loops(ops, gpu, loops):
    """Kernels that multiply and of whose main loop nothing is known: without it they seem faster than they are."""
    known = loops.get(gpu.arch, {})
    return sorted({launch["kernel"] for op in ops for launch in op["launches"]
                   if launch["unit"] in ("float", *TENSOR_UNITS) and launch["kernel"] not in known})


def op_time(op, gpu, loops):
    """us of an op, with the gap before each of its launches, and what bounds the longest of them."""
    times = [launch_time(launch, op["precision"], gpu, loops) for launch in op["launches"]]
    if not times:
        return Time(0, "nothing")
    return Time(sum(time.us + gpu.gap for time in times), max(times, key=lambda time: time.us).bound)


def evaluation_ms(ops, gpu, loops):
    return (sum(op_time(op, gpu, loops).us for op in ops) + READ_BACK) * 1e-3


def read_launches(paths):
    """{(architecture, network, size, precision): [op, ...]} in the order in which they run."""
    found = collections.defaultdict(list)
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for text in file:
                op = json.loads(text)
                found[op["architecture"], op["network"], op["size"], op["precision"]].append(op)
    return found
