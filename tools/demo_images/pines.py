"""Conifers drawn twig by twig, singly and as woods."""

import numpy as np
from PIL import Image, ImageDraw

from .noise import fbm, smoothstep

NEEDLE_DARK, NEEDLE_LIGHT = np.array((0.055, 0.115, 0.085)), np.array((0.50, 0.48, 0.18))
BARK_DARK, BARK_LIGHT = np.array((0.14, 0.10, 0.09)), np.array((0.58, 0.36, 0.22))


def sheet(cam):
    """A transparent drawing of the picture's size, with its pen."""
    image = Image.new("RGBA", (cam.w, cam.h), (0, 0, 0, 0))
    return image, ImageDraw.Draw(image)


def layer_of(image):
    return np.asarray(image, np.float32) / 255


def ink(colour):
    return tuple(int(v) for v in np.clip(np.asarray(colour) * 255, 0, 255)) + (255,)


def pine(draw, x, y, tall, rng, flip=1, spread=0.2, bare=0.08):
    """A spruce of `tall` pixels with its foot at (x, y); flip -1 hangs it upside down, as a lake shows it.

    Whorls of boughs from the foot up; a bough leaves the trunk, sinks and lifts its tip, and carries hanging
    twigs. Boughs to the left and the front catch the sun."""
    lean = rng.normal(0, 0.01) * tall
    width = max(1, tall / 55)
    steps = np.linspace(0, 1, 12)
    for a, b in zip(steps[:-1], steps[1:]):
        for side in (-0.5, 0.0, 0.5):
            tone = ink(BARK_DARK + (BARK_LIGHT - BARK_DARK) * (0.5 - side) * 0.8)
            thick = max(1, int(width * (1.05 - a) * 0.7))
            draw.line([x + lean * a + side * width * (1 - a) * 0.7, y - flip * tall * a,
                       x + lean * b + side * width * (1 - b) * 0.7, y - flip * tall * b], tone, thick)
    whorls = int(np.clip(tall / 10, 9, 80))
    needles = int(np.clip(tall / 34, 3, 17))
    pen = max(1, int(round(tall / 420)))
    for t in np.linspace(1 - bare, 0.0, whorls):  # t is 0 at the top
        t = np.clip(t + rng.normal(0, 0.7) / whorls, 0, 1)
        reach = tall * spread * (0.03 + t ** 0.85) * rng.uniform(0.72, 1.15)
        turn = rng.uniform(0, 2 * np.pi)
        for phi in sorted(turn + np.arange(7) * 2 * np.pi / 7 + rng.normal(0, 0.25, 7), key=np.sin):
            if rng.random() < 0.10:
                continue
            length = reach * rng.uniform(0.5, 1.15)
            foot_x, foot_y = x + lean * (1 - t), tall * (1 - t)
            sunny = 0.5 - 0.5 * np.cos(phi)
            s = (np.arange(needles) + rng.random(needles)) / needles
            bough_x = foot_x + np.cos(phi) * length * s
            bough_y = foot_y - length * (0.62 * s - 0.34 * s * s + 0.22 * np.sin(phi) * s)
            twig = (0.17 * length + 0.004 * tall) * (1.15 - 0.7 * s) * rng.uniform(0.6, 1.3, needles)
            for side in (-1, 1):
                end_x = bough_x + twig * (0.55 * np.cos(phi) + 0.55 * side * rng.random(needles))
                end_y = bough_y - twig * rng.uniform(0.25, 0.95, needles)
                light = 0.95 * sunny * (0.25 + 0.75 * s) - 0.12 * t + rng.normal(0, 0.14, needles)
                for k in range(needles):
                    tone = ink(NEEDLE_DARK + (NEEDLE_LIGHT - NEEDLE_DARK) * np.clip(light[k], 0, 1))
                    draw.line([bough_x[k], y - flip * bough_y[k], end_x[k], y - flip * end_y[k]], tone, pen)


def wood(cam, z, top, reach, seed):
    """A wooded hill at distance z: `top` metres high, beyond tangent `reach` (negative: to the left)."""
    rng = np.random.default_rng(seed)
    image, draw = sheet(cam)
    side = np.sign(reach)
    profile = smoothstep(abs(reach) - 0.2, abs(reach) + 0.35, side * cam.col) * top
    profile = profile * (1 + 0.45 * fbm(cam.col * 9, 0 * cam.col, 4, seed))
    profile = profile + 0.02 * top * (side * cam.col > 0)
    count = int(cam.w * 0.55)
    for depth in (0.0, 0.25, 0.5, 0.75, 0.92):
        cols = np.sort(rng.integers(0, cam.w, count))
        ground = profile[cols] * (1 - depth)
        for col, metres in zip(cols, ground):
            if profile[col] < 0.6:
                continue
            _, y = cam.project(0, metres, z)
            tall = rng.uniform(9, 21) * min(1, profile[col] / 8 + 0.3) * cam.focal / z
            bright = 0.25 + 0.35 * depth * rng.random() + 0.3 * rng.random() ** 3
            tone = ink(NEEDLE_DARK * 1.3 + (NEEDLE_LIGHT - NEEDLE_DARK) * bright * 0.8)
            half = tall * rng.uniform(0.13, 0.2)
            for k in range(3):  # three skirts, the sunny half in a lighter green
                a, b = tall * (1 - 0.3 * k), tall * (0.55 - 0.3 * k)
                wide = half * (0.55 + 0.3 * k)
                draw.polygon([(col, y - a), (col - wide, y - b), (col + wide, y - b)], ink(NEEDLE_DARK * 1.4))
                draw.polygon([(col, y - a), (col - wide, y - b), (col, y - b)], tone)
            draw.rectangle([col - half, y - 0.3 * tall, col + half, cam.horizon + 2], ink(NEEDLE_DARK * 1.3))
    return layer_of(image)
