"""The content picture: a mountain lake on a summer evening, with a boathouse, a jetty and pines.

Everything is placed in one world: metres, x to the right, y up from the water, z away from the eye, which
stands EYE metres above the lake and looks along z. Light is linear until `render` develops it."""

import numpy as np
from PIL import Image

from . import meadow, pines, props, terrain
from .noise import blur, fbm, gradient_noise, mix, sample, smoothstep, to_display, to_linear

EYE = 6.0
FOCAL = 1.07  # in picture widths: a view of 50 degrees
HORIZON = 0.555  # of the picture height, from its top
# distance, height, side and inner edge (tangent), share of haze, seed
FAR_WOODS = ((2600, 190, 0.02, 0.15, 601), (2000, 150, -0.10, 0.09, 602), (1100, 60, 0.16, 0.05, 603))
_AZIMUTH = np.radians(58)  # the sun stands to the left, and low
SUN = np.array((-np.sin(_AZIMUTH), 0.2, -0.30 * np.cos(_AZIMUTH)))
SUN = SUN / np.linalg.norm(SUN)


class Camera:
    """Pinhole view of the world in a picture of w x h pixels."""

    def __init__(self, w, h):
        self.w, self.h, self.focal, self.horizon = w, h, FOCAL * w, HORIZON * h
        self.col = (np.arange(w, dtype=np.float32) + 0.5 - w / 2) / self.focal  # tangent to the right
        self.row = (self.horizon - np.arange(h, dtype=np.float32) - 0.5) / self.focal  # tangent upwards

    def project(self, x, y, z):
        return self.w / 2 + self.focal * x / z, self.horizon - self.focal * (y - EYE) / z

    def ground(self, level=0.0):
        """World x and z (h, w) where each pixel meets the plane y = level; far away above the horizon."""
        z = (EYE - level) / np.maximum(-self.row, 1e-4)
        return z[:, None] * self.col[None, :], np.broadcast_to(z[:, None], (self.h, self.w))


def sky(cam):
    """Evening sky (rows above the horizon, w, 3): a glow round the sun's side and two decks of cloud."""
    rows = int(np.ceil(cam.horizon)) + 2
    up = np.maximum(cam.row[:rows, None], 0.0)
    right = np.broadcast_to(cam.col[None, :], (rows, cam.w))
    stops = np.array((0.0, 0.07, 0.17, 0.32, 0.6))
    tints = to_linear(((0.99, 0.80, 0.58), (0.97, 0.80, 0.67), (0.78, 0.78, 0.80), (0.46, 0.63, 0.80),
                       (0.22, 0.42, 0.68)))
    lift = up + 0.10 * (right + 0.45)  # the glow hangs lower away from the sun
    base = np.stack([np.interp(lift, stops, tints[:, c]) for c in range(3)], -1).astype(np.float32)
    glow = np.exp(-((right + 0.62) / 0.42) ** 2 - (up / 0.17) ** 2)
    base = base + glow[..., None] * np.array((0.55, 0.25, 0.05), np.float32)

    for deck, (rise, cover, depth, stretch) in enumerate(((0.10, -0.09, 1.0, 0.6), (0.22, 0.06, 0.6, 0.3))):
        u, v = stretch * right / (up + rise) * 2.2, 0.9 / (up + rise)
        seed = 500 + 40 * deck
        u = u + 0.5 * fbm(u * 0.8, v * 0.8, 3, seed)

        def thickness(du, dv):
            wide = gradient_noise(u * 0.4, v * 0.4, seed + 30)
            return fbm(u + du, v + dv, 7, seed + 10, 0.55) + 0.25 * wide

        here, sunward = thickness(0, 0), thickness(-0.16, 0.05)
        alpha = smoothstep(cover, cover + 0.34, here) * depth * smoothstep(0.0, 0.05, up)
        lit = np.clip(0.55 + 1.9 * (here - sunward), 0, 1) * (1 - 0.55 * smoothstep(0.15, 0.6, here))
        height = smoothstep(0.04, 0.38, up)
        bright = 1.08 * mix(to_linear((1.0, 0.72, 0.50)), to_linear((1.0, 0.92, 0.84)), height)
        shade = mix(to_linear((0.72, 0.55, 0.56)), to_linear((0.48, 0.53, 0.66)), height)
        base = mix(base, mix(shade, bright, lit), alpha * 0.9)
    return base


def haze_at(cam, rows):
    """Colour of far air for each pixel of the upper rows: warm to the left, mauve to the right."""
    side = smoothstep(-0.5, 0.35, np.broadcast_to(cam.col[None, :], (rows, cam.w)))
    return mix(to_linear((0.90, 0.79, 0.74)), to_linear((0.66, 0.71, 0.82)), side)


def backdrop(cam):
    """Sky, mountains and the wooded far shore, above the horizon: light (rows, w, 3)."""
    light = sky(cam)
    rows = light.shape[0]
    ground, distance = terrain.view(terrain.build(), cam.col, cam.row[:rows], rows, SUN)
    haze = haze_at(cam, rows)
    height = np.where(np.isfinite(distance), distance, 0) * np.maximum(cam.row[:rows, None], 0)
    air = np.exp(-np.where(np.isfinite(distance), distance, 0) * (0.020 + 0.016 * np.exp(-height / 0.30)))
    ground = mix(haze, ground, air)
    edge = np.isfinite(distance).astype(np.float32)
    light = mix(light, ground, edge)
    for z, top, reach, thick, seed in FAR_WOODS:
        layer = pines.wood(cam, z, top, reach, seed)[:rows]
        tint = to_linear(layer[..., :3]) * (1 - thick) + haze * 0.9 * thick
        light = mix(light, tint, layer[..., 3])
    across, up = np.meshgrid(cam.col, cam.row[:rows])
    mist = np.exp(-np.maximum(up, 0) / 0.008) * (0.5 + 0.5 * fbm(across * 7, up * 60, 4, 640))
    return mix(light, haze, np.clip(0.28 * mist, 0, 1))


def lake(cam, mirror):
    """Water below the horizon: the mirror image, shaken by ripples, weighed by Fresnel, over a dark depth."""
    x, z = cam.ground()
    x, z = x.copy(), z.copy()
    near = np.clip(z, 0, 1500)
    calm = np.exp(-near / 800)  # far ripples are finer than a pixel and average out
    ripple = (0.55 * fbm(x * 0.25, near * 0.5, 4, 700) + 0.45 * fbm(x * 0.8, near * 1.9, 3, 710)) * calm
    breeze = smoothstep(0.05, 0.35, fbm(x * 0.006, near * 0.03, 4, 720))
    slope = ripple * (0.55 + 0.9 * breeze)
    rows, cols = np.mgrid[0:cam.h, 0:cam.w].astype(np.float32)
    nearness = np.clip((rows - cam.horizon) / (cam.h - cam.horizon), 0, 1)
    reach = cam.h * (0.11 * np.sqrt(nearness) + 0.004)
    image = sample(mirror, cols + 0.25 * reach * slope, rows + reach * slope)
    image = 0.4 * image + 0.6 * blur(image, cam.h / 500)
    grazing = np.clip(EYE / np.hypot(near, EYE) + 0.16 * slope, 0.01, 1)
    fresnel = 0.02 + 0.98 * (1 - grazing) ** 5
    deep = to_linear((0.10, 0.24, 0.28)) * (1 + 0.4 * slope)[..., None]
    sheen = to_linear((0.80, 0.76, 0.78))
    water = mix(deep, image * np.array((0.88, 0.94, 1.0), np.float32), np.clip(fresnel * 0.8 + 0.22, 0, 1))
    return mix(water, sheen, 0.55 * breeze * smoothstep(90, 500, near) * (0.6 + 0.8 * np.clip(ripple, 0, 1)))


def develop(light, seed=9):
    """Film: a little bloom, a shoulder for the highlights, vignette and grain. Returns display values."""
    h, w = light.shape[:2]
    bright = np.clip(light - 0.75, 0, 2)
    light = light + 0.35 * blur(bright, h / 120)
    light = light * 1.12
    light = light / (1 + np.maximum(light - 0.7, 0) * 0.75)
    v, u = np.mgrid[-1:1:h * 1j, -1:1:w * 1j].astype(np.float32)
    light = light * (1 - 0.16 * (u * u + v * v) ** 1.5 / 2)[..., None]
    shown = to_display(light)
    shown = shown + 0.10 * (shown - 0.5) * (1 - np.abs(2 * shown - 1))  # a gentle S of contrast
    grain = blur(np.random.default_rng(seed).normal(0, 1, (h, w, 1)).astype(np.float32), 0.5)
    return np.clip(shown + 0.008 * grain, 0, 1)


def render(size=768):
    """The picture, a Pillow image `size` wide, three quarters as high; drawn twice as large, then reduced."""
    cam = Camera(2 * size, 2 * (size * 3 // 4))
    top = backdrop(cam)
    rows = top.shape[0]
    scene = np.zeros((cam.h, cam.w, 3), np.float32)
    scene[:rows] = top

    mirror = scene.copy()
    turned = 2 * cam.horizon - np.arange(cam.h) - 1
    mirror[rows:] = scene[np.clip(turned[rows:].astype(int), 0, rows - 1)]
    mirror[:rows] = scene[rows - 3]
    mirror = props.over(mirror, props.spit(cam, flip=-1))
    water = lake(cam, mirror)
    scene[rows - 2:] = water[rows - 2:]
    scene = props.over(scene, props.spit(cam))
    scene = props.over(scene, props.smoke(cam))
    scene = blur(scene, cam.h / 2300)  # the far side lies just out of focus
    for layer in meadow.foreground(cam):
        scene = props.over(scene, layer)
    small = Image.fromarray((develop(scene) * 255 + 0.5).astype(np.uint8))
    return small.resize((size, size * 3 // 4), Image.LANCZOS)
