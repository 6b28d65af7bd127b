"""The nearest ground: a bank of grass, stones and flowers, and the pine that frames the picture."""

import numpy as np

from .noise import blur, fbm, mix, smoothstep
from .pines import ink, layer_of, pine, sheet

# place across the picture, depth in the bank, half width (both as shares), height over width
STONES = ((0.46, 0.18, 0.052, 0.62), (0.54, 0.30, 0.030, 0.7), (0.87, 0.35, 0.060, 0.6),
          (0.36, 0.42, 0.034, 0.7), (0.80, 0.5, 0.026, 0.75))


def _edge(cam, cols):
    """Row where the bank ends and the lake begins, for the given columns."""
    u = np.asarray(cols, np.float32) / cam.w
    rough = 0.018 * fbm(u * 6, u * 0, 4, 905)
    return cam.h * (0.815 + 0.125 * smoothstep(0.05, 0.6, u) - 0.035 * smoothstep(0.75, 1.0, u) + rough)


def stone(layer, cx, cy, rx, ry, seed):
    """A boulder: a rough half-ellipsoid in the sun from the left, moss on top, sunk into the ground."""
    h, w = layer.shape[:2]
    y0, y1 = int(max(cy - 1.3 * ry, 0)), int(min(cy + 0.5 * ry, h))
    x0, x1 = int(max(cx - 1.3 * rx, 0)), int(min(cx + 1.3 * rx, w))
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    u, v = (x - cx) / rx, (y - cy) / ry
    radius = 1 + 0.22 * fbm(2.2 * np.arctan2(v, u), 0 * u, 3, seed) + 0.05 * fbm(u * 4, v * 4, 3, seed + 5)
    d = np.hypot(u, v) / radius
    bulge = np.sqrt(np.clip(1 - d * d, 0, 1)) + 0.16 * fbm(u * 3, v * 3, 5, seed + 9, 0.6)
    gy, gx = np.gradient(bulge)
    nx, ny = -gx * rx, -gy * ry
    norm = np.sqrt(nx * nx + ny * ny + 1)
    sun = np.clip((-0.80 * nx - 0.38 * ny + 0.35) / norm, 0, 1)
    grit = 1 + 0.25 * fbm(x / 5, y / 5, 3, seed + 20)
    colour = mix(np.array((0.24, 0.24, 0.30)), np.array((0.88, 0.74, 0.60)), sun) * grit[..., None]
    moss = smoothstep(0.1, 0.5, fbm(u * 2, v * 2, 4, seed + 30) - 0.5 * v)
    colour = mix(colour, colour * np.array((0.75, 0.85, 0.35)), moss)
    inside = (d < 1) & (v < 0.35 + 0.1 * fbm(u * 5, 0 * u, 2, seed + 40))
    part = layer[y0:y1, x0:x1]
    part[inside, :3], part[inside, 3] = np.clip(colour[inside], 0, 1), 1


def grass(draw, cam, rng, count, low, high):
    """Blades with feet between the fractions low and high of the bank's depth, far ones first."""
    cols = rng.uniform(0, cam.w, count)
    depth = np.sort(rng.uniform(low, high, count))
    edge = _edge(cam, cols)
    feet = edge + (cam.h * 1.06 - edge) * depth
    sun = smoothstep(-0.18, 0.3, fbm(cols / cam.w * 5 + depth * 2, depth * 7, 4, 930))
    dry = smoothstep(-0.1, 0.4, fbm(cols / cam.w * 8, depth * 5, 4, 940))
    tall = cam.h * (0.010 + 0.045 * depth) * rng.uniform(0.5, 1.3, count)
    bend = rng.normal(0.16, 0.3, count) * tall
    deep, lit, straw = np.array(((0.09, 0.14, 0.06), (0.47, 0.52, 0.16), (0.80, 0.66, 0.30)))
    for k in range(count):
        top = lit + (straw - lit) * dry[k] * rng.uniform(0.3, 1)
        bright = np.clip(0.16 + 0.85 * sun[k] + rng.normal(0, 0.13), 0, 1)
        x, y = cols[k], feet[k]
        pen = 1 + int(depth[k] > 0.45)
        mid = (x + 0.35 * bend[k], y - 0.6 * tall[k])
        draw.line([(x, y), mid], ink(deep + (top - deep) * bright * 0.55), pen)
        draw.line([mid, (x + bend[k], y - tall[k])], ink(deep + (top - deep) * bright), pen)


def flowers(draw, cam, rng, count):
    """Small heads in drifts: white, yellow and a few red."""
    hues = np.array(((0.97, 0.95, 0.90), (0.98, 0.80, 0.22), (0.86, 0.25, 0.20)))
    depths, cols = np.sort(rng.uniform(0.15, 1, count)), rng.uniform(0, cam.w, count)
    drift = fbm(cols / cam.w * 7, depths * 3, 3, 950) > 0.16
    for x, depth, edge in zip(cols[drift], depths[drift], _edge(cam, cols[drift])):
        y = edge + (cam.h - edge) * depth - cam.h * 0.03 * depth
        r = cam.h * (0.0012 + 0.0026 * depth) * rng.uniform(0.7, 1.2)
        hue = hues[rng.choice(3, p=(0.5, 0.38, 0.12))]
        draw.ellipse([x - r, y - 0.8 * r, x + r, y + 0.8 * r], ink(hue * rng.uniform(0.75, 1)))


def foreground(cam):
    """Layers from far to near: the bank with its stones, then the pine on the left."""
    rng = np.random.default_rng(47)
    layer = np.zeros((cam.h, cam.w, 4), np.float32)
    cols = np.arange(cam.w)
    bank = np.arange(cam.h)[:, None] > _edge(cam, cols)[None, :]
    layer[bank] = (0.13, 0.17, 0.08, 1)

    def drawn(paint, below):
        image, draw = sheet(cam)
        paint(draw)
        above = layer_of(image)
        return below * (1 - above[..., 3:]) + above * above[..., 3:]

    layer = drawn(lambda draw: grass(draw, cam, rng, 30000, 0.0, 0.5), layer)
    for k, (u, down, r, flat) in enumerate(STONES):
        edge = _edge(cam, [u * cam.w])[0]
        stone(layer, u * cam.w, edge + (cam.h - edge) * down, r * cam.w, r * cam.w * flat, 960 + 10 * k)
    layer = drawn(lambda draw: grass(draw, cam, rng, 16000, 0.42, 1.0), layer)
    layer = drawn(lambda draw: flowers(draw, cam, rng, 520), layer)

    def frame(draw):
        for u, foot, tall in ((0.185, 0.90, 0.40), (0.075, 0.97, 0.93)):
            pine(draw, u * cam.w, foot * cam.h, tall * cam.h, rng, 1, 0.17 if tall > 0.5 else 0.23, 0.06)

    return [layer, blur(drawn(frame, np.zeros_like(layer)), 0.6)]
