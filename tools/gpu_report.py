#!/usr/bin/env python3
"""Makes tables of what tools/gpu_check.sh has left, in Markdown, for docs/results. Needs the standard library.

    tools/gpu_report.py build/gpu_check/*/results.jsonl > docs/results/h100.md

A figure that was not measured is not there: nothing is made up for it. Of lines that say the same of the same thing the last
one counts, but for our own evaluation, which stands on both sides of PyTorch's: there the median does.
"""
import json
import pathlib
import statistics
import sys

# {GPU: {"network:size:precision": ms}}, by tools/gpu_model.py (make predictions-record) before anyone had measured one.
PREDICTIONS = pathlib.Path(__file__).resolve().parent.parent / "docs" / "results" / "predictions.json"


def read(paths):
    """Lines of JSON; a last one that was cut off is left out."""
    lines = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for text in file:
                try:
                    lines.append(json.loads(text))
                except ValueError:
                    continue
    return lines


def table(head, rows):
    if not rows:
        return []
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)] + \
           ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def gpu_name(line):
    """Of the machine that a line is about."""
    return line["machine"].get("gpu", {}).get("name") or line["machine"]["device"]


def predictions(lines):
    """{"network:size:precision": ms} of the GPU that was measured, of which the model may know nothing."""
    names = [gpu_name(line).lower() for line in lines if "machine" in line]
    recorded = json.loads(PREDICTIONS.read_text(encoding="utf-8"))
    return next((figures for gpu, figures in recorded.items() if any(gpu.lower() in name for name in names)), {})


def machine_lines(lines):
    out = []
    for machine in dict.fromkeys(json.dumps(line["machine"]) for line in lines if "machine" in line):
        machine = json.loads(machine)
        gpu = machine.get("gpu", {})
        out.append(f"{gpu_name({'machine': machine})}, driver {gpu.get('driver_version', '-')}, {machine['date']}, commit "
                   f"{machine['commit'][:12] or 'unknown'}{' with changes' if machine['changed'] else ''}; PyTorch "
                   f"{machine.get('torch') or '-'}, cuDNN {machine.get('cudnn') or '-'}.")
    return out + [""]


def status_rows(lines):
    last = {line["part"]: line for line in lines if "status" in line}
    return [(part, line["status"], f"{line['seconds']} s") for part, line in last.items()]


def is_bench(line):
    return "ms_median" in line and "variant" not in line and "network" in line


def ours(lines):
    """{(network, size, style loss, precision): median of the medians}"""
    found = {}
    for line in filter(is_bench, lines):
        key = line["network"], line["size"], line.get("style_loss", "gram"), line.get("precision", "single")
        if "kernels" in line:
            key = *key[:3], f"{key[3]} by {line['kernels']}"
        found.setdefault(key, []).append(line["ms_median"])
    return {key: statistics.median(values) for key, values in found.items()}


def evaluation_rows(lines):
    rows = []
    swag, predicted_ms = ours(lines), predictions(lines)
    fastest = {}    # of the Gram losses of a network at a size: what PyTorch's stand beside
    for (network, size, style_loss, _), ms in swag.items():
        if style_loss == "gram":
            fastest[network, size] = min(ms, fastest.get((network, size), ms))
    for (network, size, style_loss, precision), ms in swag.items():
        gram = style_loss == "gram"
        predicted = predicted_ms.get(f"{network}:{size}:{precision.replace(' by ', '+')}", "") if gram else ""
        name = f"swag, {precision}" + ("" if gram else f", {style_loss}")
        rows.append((network, size, name, f"{ms:.3f}", predicted, f"{ms / fastest[network, size]:.2f}" if gram else ""))
    for (network, size), ms in fastest.items():
        theirs = {(line["variant"], line["way"]): line for line in lines
                  if (line.get("network"), line.get("size")) == (network, size) and "way" in line}
        for (variant, way), line in theirs.items():
            rows.append((network, size, f"PyTorch, {variant.replace('+', ', ').replace('_', ' ')}, {way}", f"{line['ms_median']:.3f}", "",
                         f"{line['ms_median'] / ms:.2f}"))
    return rows


def op_rows(lines, part, precision):
    ops = {(line["op"], line.get("shape", "")): line for line in lines
           if line.get("part") == part and "op" in line and line.get("precision", "single") == precision}
    total = sum(line["ms"] * line.get("calls", 1) for line in ops.values())
    ordered = sorted(ops.values(), key=lambda line: -line["ms"] * line.get("calls", 1))
    return [(line["op"], line.get("shape", ""), line.get("calls", 1), f"{line['ms'] * 1e3:.1f}",
             f"{100 * line['ms'] * line.get('calls', 1) / total:.1f} %") for line in ordered[:25]]


def convolution_rows(lines):
    sums = {}
    for line in lines:
        if "swag_ms" in line and "side" in line:
            key = (line["network"], line["size"], line["side"])
            mine, theirs = sums.get(key, (0, 0))
            sums[key] = mine + line["calls"] * line["swag_ms"], theirs + line["calls"] * line["ms"]
    return [(*key, f"{mine:.3f}", f"{theirs:.3f}", f"{theirs / mine:.2f}") for key, (mine, theirs) in sums.items()]


def report(lines):
    out = ["# What a GPU said", "", "By `tools/gpu_check.sh` and `tools/gpu_report.py`. Times of PyTorch over ours are above 1 where ours is faster.", ""]
    out += machine_lines(lines)
    out += section("Evaluations, milliseconds", ("network", "size", "side", "ms", "predicted", "times swag"), evaluation_rows(lines))
    out += section("All convolutions of an evaluation, milliseconds", ("network", "size", "PyTorch", "swag", "PyTorch's", "times swag"),
                   convolution_rows(lines))
    out += section("Limits of this GPU", ("what", "value", "unit"),
                   [(line["limit"], f"{line['value']:.4g}", line["unit"]) for line in lines if "limit" in line])
    for network in ("vgg19", "resnet50"):
        for precision in ("single", "tf32"):
            out += section(f"Ops of {network}, {precision}, the 25 longest", ("op", "shape", "calls", "us a call", "share"),
                           op_rows(lines, f"ops_{network}", precision))
    out += section("Losses after 200 iterations", ("network", "precision", "CPU", "GPU", "ratio"),
                   [(line["network"], line.get("precision", "single"), line["cpu"], line["device"], f"{line['ratio']:.4f}") for line in lines if "ratio" in line])
    out += section("Parts", ("part", "status", "time"), status_rows(lines))
    errors = [(line["part"], line.get("variant", ""), line["error"]) for line in lines if "error" in line]
    out += section("Errors", ("part", "variant", "error"), errors)
    return "\n".join(out)


def section(title, head, rows):
    return [f"## {title}", ""] + table(head, rows) if rows else []


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} RESULTS.jsonl ...")
    try:
        lines = read(sys.argv[1:])
    except OSError as error:
        sys.exit(f"gpu_report.py: {error}")
    print(report(lines))


if __name__ == "__main__":
    main()
