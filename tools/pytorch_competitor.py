#!/usr/bin/env python3
"""The other side of tools/compare_pytorch.py, in a process of its own: the same objective as an autograd user writes it.

    pytorch_competitor.py evaluation --network vgg19 --size 512 --repeat 5 [--device cuda] [--channels-last] [--compile] [--precision half]
    pytorch_competitor.py evaluations --network vgg19 --sizes 512,1024 --variants plain,channels_last+half [--device cuda]
    pytorch_competitor.py run --network vgg19 --content c.ppm --style s.ppm --iterations 100 ...
    pytorch_competitor.py convolutions [--device cuda] [--precision tf32] < shapes.json
    pytorch_competitor.py pictures --size 512 c.ppm s.ppm

Prints one line of JSON; evaluations one for every size and variant, as soon as it is known, on a GPU also of the evaluation
captured as a CUDA graph. Variants are words joined by +: plain, channels_last, compile, tf32, half, bfloat16 (autocast) and
all_half (weights and pixels too). Needs torch, any version since 1.13, and numpy. Networks have torchvision's names and the weights of
`reference.py weights --seed 7` (swag: --weights splitmix:7); losses are `balanced` with weights 1 and 1000, no smoothing.
"""
import argparse
import json
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from splitmix_weights import splitmix_weight

SEED, STYLE_WEIGHT = 7, 1e3
PRECISIONS = ["float32", "tf32", "half", "bfloat16", "all_half"]
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]

# ---------------------------------------------------------------- networks, up to their last tap


class Vgg19(nn.Module):
    """Taps: relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, and relu4_2 for the content."""

    def __init__(self):
        super().__init__()
        layers, c_in = [], 3
        for c_out in (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512):
            if c_out == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU()]
                c_in = c_out
        self.features = nn.Sequential(*layers)

    def forward(self, x):
        taps = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in (1, 6, 11, 20, 29):
                taps.append(x)
            if i == 22:
                content = x
        return taps, content


class Bottleneck(nn.Module):
    def __init__(self, c_in, width, stride):
        super().__init__()
        c_out = width * 4
        self.conv1 = nn.Conv2d(c_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Resnet50(nn.Module):
    """Taps: conv1 and the last block of every stage; that of stage 3 for the content."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        c_in = 64
        for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            layers = []
            for i in range(blocks):
                layers.append(Bottleneck(c_in, width, 2 if i == 0 and stage > 1 else 1))
                c_in = width * 4
            setattr(self, f"layer{stage}", nn.Sequential(*layers))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        taps = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            taps.append(x)
        return taps, taps[3]


def build(network):
    net = {"vgg19": Vgg19, "resnet50": Resnet50}[network]().eval()
    for k, (name, value) in enumerate(net.state_dict().items()):
        if name.endswith("num_batches_tracked"):
            continue
        value.copy_(torch.from_numpy(splitmix_weight(SEED, k, name, tuple(value.shape))))
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    return net


# ---------------------------------------------------------------- pictures

def read_ppm(path):
    """A binary PPM without comments, as normalised pixels (1, 3, h, w)."""
    with open(path, "rb") as f:
        data = f.read()
    magic, w, h, depth = data.split(maxsplit=4)[:4]
    assert magic == b"P6" and depth == b"255", path
    w, h = int(w), int(h)
    pixels = np.frombuffer(data[len(data) - 3 * w * h:], dtype=np.uint8).reshape(h, w, 3)
    x = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 255
    return ((x - MEAN) / STD)[None]


def write_picture(path, size, seed):
    """Noise of several scales: what a picture's spectrum looks like, and no file is needed for it."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.zeros(1, 3, size, size)
    side, weight = 4, 1.0
    while side <= size:
        noise = torch.rand(1, 3, side, side, generator=generator) - 0.5
        picture += weight * F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
        side, weight = side * 2, weight * 0.6
    picture = ((picture[0] - picture.min()) / (picture.max() - picture.min()) * 255).round().to(torch.uint8)
    with open(path, "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (size, size) + picture.permute(1, 2, 0).contiguous().numpy().tobytes())


# ---------------------------------------------------------------- objective

def gram(f):
    f = f.float().flatten(2)[0]
    return f @ f.T / f.shape[1]


class Objective:
    def __init__(self, args, content, style):
        self.args = args
        self.device = torch.device(args.device)
        self.layout = torch.channels_last if args.channels_last else torch.contiguous_format
        self.net = build(args.network).to(self.device).to(memory_format=self.layout)
        if args.precision == "all_half":
            self.net = self.net.half()
        self.forward = torch.compile(self.net, mode=args.compile) if args.compile else self.net
        with torch.no_grad():
            self.targets = [gram(f) for f in self.features(self.place(style))[0]]
            self.content = self.features(self.place(content))[1].float().clone()
        self.content_variance = self.content.var(unbiased=False)

    def place(self, x):
        return x.to(self.device).contiguous(memory_format=self.layout)

    def features(self, x):
        if self.args.precision == "all_half":
            return self.forward(x.half())
        kind = {"half": torch.float16, "bfloat16": torch.bfloat16}.get(self.args.precision)
        if kind is None:
            return self.forward(x)
        with torch.autocast(self.device.type, dtype=kind):
            return self.forward(x)

    def loss(self, x):
        taps, content = self.features(x)
        loss = ((content.float() - self.content) ** 2).mean() / self.content_variance
        for f, target in zip(taps, self.targets):
            loss = loss + STYLE_WEIGHT * ((gram(f) - target) ** 2).mean() / (target ** 2).mean() / len(taps)
        return loss

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def evaluated(args):
    """An objective and the pixels that it is evaluated at."""
    noise = [torch.rand(1, 3, args.size, args.size) * 4 - 2 for _ in range(3)]
    objective = Objective(args, noise[0], noise[1])
    return objective, objective.place(noise[2]).requires_grad_(True)


def times(args, objective, call):
    """Milliseconds of each call, from an idle device to an idle device."""
    milliseconds = []
    for i in range(args.warm_up + args.repeat):
        objective.wait()
        start = time.perf_counter()
        call()
        objective.wait()
        if i >= args.warm_up:
            milliseconds.append((time.perf_counter() - start) * 1e3)
    return milliseconds


def evaluation_of(objective, x):
    def call():
        x.grad = None
        objective.loss(x).backward()
    return call


def evaluation(args):
    objective, x = evaluated(args)
    return {"ms": times(args, objective, evaluation_of(objective, x))}


def captured(objective, x):
    """The evaluation as a CUDA graph, in which there is no Python."""
    call = evaluation_of(objective, x)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def set_tf32(precision):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def evaluations(args):
    for size in map(int, args.sizes.split(",")):
        for variant in args.variants.split(","):
            words = variant.split("+")
            one = argparse.Namespace(**vars(args), size=size, channels_last="channels_last" in words,
                                     compile=args.compile_mode if "compile" in words else "",
                                     precision=next((word for word in words if word in PRECISIONS), "float32"))
            set_tf32(one.precision)
            line = {"network": args.network, "size": size, "variant": variant, "version": torch.__version__}
            try:
                objective, x = evaluated(one)
                ways = [("eager", evaluation_of(objective, x))]
                if objective.device.type == "cuda" and not one.compile:
                    ways.append(("graph", captured(objective, x)))
                for way, call in ways:
                    milliseconds = sorted(times(one, objective, call))
                    print(json.dumps(dict(line, way=way, ms_median=milliseconds[len(milliseconds) // 2], ms_min=milliseconds[0],
                                          ms_max=milliseconds[-1])), flush=True)
            except RuntimeError as error:  # one variant that fails is not the end of the others
                print(json.dumps(dict(line, error=str(error).strip().splitlines()[0])), flush=True)


def run(args):
    objective = Objective(args, read_ppm(args.content), read_ppm(args.style))
    # LBFGS views gradients as vectors, so the pixels are laid out as usual and rearranged for every evaluation.
    x = objective.place(read_ppm(args.content)).contiguous().requires_grad_(True)
    if args.compile:   # compiling is not optimising
        objective.loss(objective.place(x)).backward()
    curve, steps = [], []
    optimizer = torch.optim.LBFGS([x], lr=1, max_iter=args.iterations, max_eval=args.iterations * 4, history_size=10,
                                  tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = objective.loss(objective.place(x))
        loss.backward()
        curve.append([time.perf_counter(), loss.item()])
        return loss

    optimizer.step(closure)
    start = curve[0][0]
    return {"curve": [[seconds - start, loss] for seconds, loss in curve]}


def convolutions(args):
    """Milliseconds of single convolutions, which on a GPU are cuDNN's. Standard input: a list of objects h, w, c_in, c_out, kh,
    kw, stride, pad, direction ("forward" with bias and ReLU, or "backward_data")."""
    device = torch.device(args.device)
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    kind = {"half": torch.float16, "bfloat16": torch.bfloat16}.get(args.precision, torch.float32)
    times = []
    for s in json.load(sys.stdin):
        def place(*shape):
            return torch.randn(*shape, dtype=kind, device=device).contiguous(memory_format=layout)
        x, weight = place(1, s["c_in"], s["h"], s["w"]), place(s["c_out"], s["c_in"], s["kh"], s["kw"])
        stride, pad = s["stride"], s["pad"]
        bias = torch.randn(s["c_out"], dtype=kind, device=device)
        dy = torch.randn_like(F.conv2d(x, weight, bias, stride, pad))

        def call():
            if s["direction"] == "forward":
                return F.conv2d(x, weight, bias, stride, pad).relu_()
            return torch.ops.aten.convolution_backward(dy, x, weight, None, stride, pad, [1, 1], False, [0, 0], 1,
                                                       [True, False, False])[0]
        times.append(median_ms(call, device))
    return {"ms": times}


def median_ms(call, device, calls=5, rounds=9):
    for _ in range(3):
        call()
    milliseconds = []
    for _ in range(rounds):
        if device.type == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        if device.type == "cuda":
            end.record()
            end.synchronize()
            milliseconds.append(begin.elapsed_time(end) / calls)
        else:
            milliseconds.append((time.perf_counter() - start) * 1e3 / calls)
    return sorted(milliseconds)[rounds // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pictures = commands.add_parser("pictures")
    pictures.add_argument("--size", type=int, default=512)
    pictures.add_argument("files", nargs="+")
    timed = {name: commands.add_parser(name) for name in ("evaluation", "evaluations", "run", "convolutions")}
    for name, command in timed.items():
        if name != "convolutions":
            command.add_argument("--network", choices=["vgg19", "resnet50"], required=True)
        command.add_argument("--device", default="cpu")
        command.add_argument("--threads", type=int, default=0)
        if name != "evaluations":
            command.add_argument("--channels-last", action="store_true")
            command.add_argument("--compile", default="", help="a mode of torch.compile")
            command.add_argument("--precision", default="float32", choices=PRECISIONS)
    timed["evaluation"].add_argument("--size", type=int, default=512)
    timed["evaluation"].add_argument("--repeat", type=int, default=5)
    timed["evaluations"].add_argument("--sizes", default="512")
    timed["evaluations"].add_argument("--variants", default="plain")
    timed["evaluations"].add_argument("--compile-mode", default="default", help="of torch.compile")
    timed["evaluations"].add_argument("--repeat", type=int, default=30)
    for name in ("evaluation", "evaluations"):
        timed[name].add_argument("--warm-up", type=int, default=2)
    timed["run"].add_argument("--content", required=True)
    timed["run"].add_argument("--style", required=True)
    timed["run"].add_argument("--iterations", type=int, default=100)
    args = parser.parse_args()
    if args.command == "pictures":
        for seed, path in enumerate(args.files):
            write_picture(path, args.size, seed)
        return
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    if args.command == "evaluations":
        evaluations(args)
        return
    set_tf32(args.precision)
    result = {"evaluation": evaluation, "run": run, "convolutions": convolutions}[args.command](args)
    result["version"] = torch.__version__
    if args.device.startswith("cuda"):
        result["peak_bytes"] = torch.cuda.max_memory_allocated()
    else:
        result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
