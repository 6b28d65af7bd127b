"""Weights that can be made anywhere without a file: uniform numbers of a counter-based generator (splitmix64), one stream
per entry of a torchvision module's state_dict. swag makes the same of `--weights splitmix:SEED`. Needs numpy.
"""
import numpy as np


def splitmix64(seed, count):
    """count uint64 values: splitmix64 of seed * 2**32 + index."""
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(1 << 32) + np.uint64(1))
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(seed, shape):
    return (splitmix64(seed, int(np.prod(shape)) or 1) >> np.uint64(11)).astype(np.float64).reshape(shape) / 2.0**53


def splitmix_weight(seed, index, name, shape):
    """float32 values of entry `index` of the state_dict: He-scaled convolutions, non-trivial batch norms."""
    u = uniform(seed * 1000 + index, shape)
    if len(shape) == 4:
        w = (2 * u - 1) * np.sqrt(6.0 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith("running_var"):
        w = 0.5 + u
    elif name.endswith(".weight"):
        w = 0.5 + 0.6 * u
    else:
        w = 0.2 * (2 * u - 1)
    return w.astype(np.float32)
