"""Tables of predicted times beside measured ones, in Markdown, for tools/kernel_report.py --launches.

A time that was not measured has an empty cell. Needs the standard library.
"""
import collections
import json
import os

import gpu_model
import gpu_report

LOOPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "results", "kernel_loops.json")


class Measured:
    """What results.jsonl says of one GPU: {(network, size, precision): ms}, {(network, precision, op, shape): us}, limits."""

    def __init__(self, name, path):
        lines = gpu_report.read([path]) if path else []
        names = [gpu_report.gpu_name(line) for line in lines if "machine" in line]
        if not any(name.lower() in of.lower() for of in names):
            lines = []
        self.limits = {line["limit"]: line["value"] for line in lines if "limit" in line}
        self.evaluations = {(network, size, precision.replace(" by ", "+")): ms
                            for (network, size, loss, precision), ms in gpu_report.ours(lines).items() if loss == "gram"}
        self.ops = {(line["part"][len("ops_"):], line.get("precision", "single"), line["op"], line.get("shape", "")): line["ms"] * 1e3
                    for line in lines if line.get("part", "").startswith("ops_") and "op" in line}


def beside(predicted, measured, digits):
    """Cells: predicted, measured, measured / predicted; the last two empty where nothing was measured."""
    if measured is None:
        return [f"{predicted:.{digits}f}", "", ""]
    return [f"{predicted:.{digits}f}", f"{measured:.{digits}f}", f"{measured / predicted:.2f}"]


def name_of(key):
    return ":".join(map(str, key[1:]))


def print_table(head, rows):
    print("\n".join(gpu_report.table(head, list(rows))))


EVALUATION_HEAD = ["network", "size", "precision", "launches", "convolutions, ms", "predicted, ms", "measured", "ratio"]
KERNEL_HEAD = ["op", "shape", "kernels and grids", "calls", "bound", "predicted, us", "measured", "ratio"]


def evaluation_rows(launches, gpu, loops, measured):
    for (_, network, size, precision), ops in launches.items():
        times = [(op["op"].startswith("conv2d"), gpu_model.op_time(op, gpu, loops).us) for op in ops]
        count = sum(len(op["launches"]) for op in ops)
        yield [network, size, precision, count, f"{sum(us for is_conv, us in times if is_conv) * 1e-3:.2f}",
               *beside(gpu_model.evaluation_ms(ops, gpu, loops), measured.evaluations.get((network, size, precision)), 2)]


def kernel_rows(ops, gpu, loops, measured):
    """Ops that are alike as one row, those that take longest first."""
    calls = collections.Counter(json.dumps(op) for op in ops)
    rows = []
    for text, count in calls.items():
        op = json.loads(text)
        us, bound = gpu_model.op_time(op, gpu, loops)
        launches = "; ".join(
            " ".join([launch["kernel"], "x".join(map(str, launch.get("grid", launch.get("product", []))))]) for launch in op["launches"])
        took = measured.ops.get((op["network"], op["precision"], op["op"], op["shape"]))
        rows.append((us * count, [op["op"], op["shape"], launches, count, bound, *beside(us, took, 1)]))
    return [row for _, row in sorted(rows, key=lambda row: -row[0])]


def print_tables(launch_files, loops_file, gpus, results, kernels):
    """Prints the evaluations of every GPU, and the ops of those that `kernels` names ("vgg19:512:tf32"). Returns
    {GPU: {"vgg19:512:tf32": ms}}. Raises ValueError for a GPU or an evaluation that nobody knows, OSError for a file."""
    launches = gpu_model.read_launches(launch_files)
    known = {name_of(key) for key in launches}
    for name in kernels:
        if name not in known:
            raise ValueError(f"no launches of {name!r} in the list; it has {', '.join(sorted(known))}")
    with open(loops_file, encoding="utf-8") as f:
        loops = json.load(f)
    record = {}
    for name in [gpu_model.find_gpu(gpu) for gpu in gpus or gpu_model.GPUS]:
        measured = Measured(name, results)
        gpu = gpu_model.rates(name, measured.limits)
        own = {key: ops for key, ops in launches.items() if key[0] == gpu.arch}
        print(f"## {name}\n")
        print(f"Measured there and used: {', '.join(gpu.measured)}." if gpu.measured else "Every constant is a data sheet's or assumed.")
        print()
        unknown = sorted({kernel for ops in own.values() for kernel in gpu_model.without_loops(ops, gpu, loops)})
        if unknown:
            print(f"Too fast, for their main loops are not in {os.path.basename(loops_file)} (make kernel-loops): {', '.join(unknown)}.\n")
        print_table(EVALUATION_HEAD, evaluation_rows(own, gpu, loops, measured))
        for key, ops in own.items():
            record.setdefault(name, {})[name_of(key)] = round(gpu_model.evaluation_ms(ops, gpu, loops), 3)
            if name_of(key) in kernels:
                print_table(KERNEL_HEAD, kernel_rows(ops, gpu, loops, measured))
    return record
