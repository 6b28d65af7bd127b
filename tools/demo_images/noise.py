"""Seeded gradient noise and the small array operations that the pictures share."""

import numpy as np


def _hash(ix, iy, seed):
    """Well-mixed 32-bit hash of integer lattice points (Wang-style shifts and odd multipliers)."""
    h = ix.astype(np.uint32) * np.uint32(0x8DA6B343) ^ iy.astype(np.uint32) * np.uint32(0xD8163841)
    h ^= np.uint32((seed * 0x9E3779B1 + 0x7F4A7C15) & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    return h ^ (h >> np.uint32(15))


def gradient_noise(x, y, seed):
    """Perlin-type noise in about [-1, 1]; x and y are arrays in lattice units."""
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    fx, fy = np.floor(x), np.floor(y)
    ix, iy = fx.astype(np.int32), fy.astype(np.int32)
    fx, fy = x - fx, y - fy

    def corner(dx, dy):
        angle = _hash(ix + dx, iy + dy, seed).astype(np.float32) * np.float32(2 * np.pi / 2**32)
        return np.cos(angle) * (fx - dx) + np.sin(angle) * (fy - dy)

    u = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
    v = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
    top = corner(0, 0) * (1 - u) + corner(1, 0) * u
    bottom = corner(0, 1) * (1 - u) + corner(1, 1) * u
    return (top * (1 - v) + bottom * v) * np.float32(1.5)


def fbm(x, y, octaves, seed, gain=0.5):
    """Fractal sum of gradient noise, in about [-1, 1]. The lattice turns at each octave, to hide its axes."""
    total, weight, norm = 0.0, 1.0, 0.0
    for octave in range(octaves):
        total = total + weight * gradient_noise(x, y, seed + octave)
        norm += weight
        weight *= gain
        x, y = 1.62 * x - 1.18 * y + 3.7, 1.18 * x + 1.62 * y + 9.1
    return total / norm


def ridged(x, y, octaves, seed, gain=0.5):
    """Fractal of creases in [0, 1]: each octave is sharp on ridges and counts less where others lie low."""
    total, weight, norm, mask = 0.0, 1.0, 0.0, 1.0
    for octave in range(octaves):
        crest = (1 - np.abs(gradient_noise(x, y, seed + octave))) ** 2
        total = total + weight * crest * mask
        mask = np.clip(crest * 1.5, 0, 1)
        norm += weight
        weight *= gain
        x, y = 1.62 * x - 1.18 * y + 3.7, 1.18 * x + 1.62 * y + 9.1
    return total / norm


def smoothstep(low, high, x):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, t):
    """a where t is 0, b where t is 1; for colours, t may lack the trailing axis of three."""
    a, b, t = np.asarray(a, np.float32), np.asarray(b, np.float32), np.asarray(t, np.float32)
    if t.ndim and max(a.ndim, b.ndim) in (1, t.ndim + 1) and (a.shape or b.shape)[-1] == 3:
        t = t[..., None]
    return a * (1 - t) + b * t


def sample(grid, x, y):
    """Bilinear look-up of grid (h, w[, c]) at column x and row y, clamped at the border."""
    h, w = grid.shape[:2]
    x, y = np.clip(x, 0, w - 1.001), np.clip(y, 0, h - 1.001)
    ix, iy = x.astype(np.int32), y.astype(np.int32)
    fx, fy = (x - ix).astype(np.float32), (y - iy).astype(np.float32)
    if grid.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    flat, at = grid.reshape(h * w, *grid.shape[2:]), iy * w + ix
    return ((flat[at] * (1 - fx) + flat[at + 1] * fx) * (1 - fy)
            + (flat[at + w] * (1 - fx) + flat[at + w + 1] * fx) * fy)


def blur(image, sigma):
    """Separable Gaussian blur over the first two axes, borders repeated."""
    if sigma < 0.2:
        return image
    radius = int(np.ceil(2.7 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in range(image.ndim)]
        wide, size = np.pad(image, pad, mode="edge"), image.shape[axis]
        image = sum(t * np.take(wide, range(k, k + size), axis) for k, t in enumerate(taps))
    return image


def to_linear(srgb):
    """Display values in [0, 1] to light; the power 2.2 is near enough to sRGB for invented pictures."""
    return np.asarray(srgb, np.float32) ** np.float32(2.2)


def to_display(light):
    return np.clip(light, 0, 1) ** np.float32(1 / 2.2)
