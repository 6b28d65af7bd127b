"""A content picture: a young woman by a window, head and shoulders, before a plain wall.

She is sculpted from some forty soft shapes, in units of half a head: the eyes are at y = 0, the chin at -1.15.
Hair is laid over its mass strand by strand."""

import numpy as np
from PIL import Image, ImageDraw

from . import march
from .brush import trace
from .landscape import develop
from .march import ball, carve, ellipsoid, join, limb, rotated
from .noise import blur, fbm, gradient_noise, mix, smoothstep, to_linear

EYE, TARGET, VIEW = (0.0, -0.4, 11.0), (0.0, -0.70, 0.0), 3.55
TURN, TILT, LEAN = 0.32, 0.05, 0.04  # of her head, to the window
WINDOW = np.array((-0.68, 0.60, 0.52)) / np.linalg.norm((-0.68, 0.60, 0.52))
ROOM = np.array((0.85, 0.25, 0.35)) / np.linalg.norm((0.85, 0.25, 0.35))
BEHIND = np.array((0.70, 0.55, -0.70)) / np.linalg.norm((0.70, 0.55, -0.70))
EYES = np.array((0.31, 0.0, 0.60))
SKIN, RED, LIP = to_linear((0.89, 0.71, 0.60)), to_linear((0.86, 0.52, 0.44)), to_linear((0.74, 0.40, 0.38))
HAIR, CLOTH, LINEN = (to_linear(c) for c in ((0.33, 0.21, 0.14), (0.14, 0.29, 0.36), (0.80, 0.76, 0.68)))
SKINNED, EYED, HAIRED, CLOTHED = range(4)


def head_of(p):
    return rotated(p, TURN, TILT, LEAN, (0, -0.9, -0.1))


def opening(x, y):
    """Distance to the almond between the lids, in the plane, from the middle of the eye."""
    y = y - 0.10 * x  # the outer corner lies higher
    return np.maximum(np.hypot(x, y + 0.135) - 0.19, np.hypot(x, y - 0.175) - 0.222)


def flesh(x, y, z):
    """Head and neck without eyes; x is mirrored, for she is symmetric."""
    s = np.sqrt(x * x + np.float32(1e-4))
    p, q = (x, y, z), (s, y, z)
    d = ellipsoid(p, (0, 0.32, -0.16), (0.76, 0.84, 0.95))
    d = join(d, ellipsoid(p, (0, -0.22, 0.10), (0.60, 0.88, 0.66)), 0.3)
    d = join(d, limb(q, (0.44, -0.48, 0.0), (0.10, -1.00, 0.46), 0.13, 0.12), 0.25)
    d = join(d, ball(p, (0, -1.00, 0.53), 0.15), 0.2)
    d = join(d, ball(q, (0.41, -0.23, 0.49), 0.15), 0.25)
    d = join(d, limb(q, (0.10, 0.19, 0.735), (0.44, 0.21, 0.60), 0.05, 0.05), 0.16)
    d = carve(d, ellipsoid(q, (0.31, 0.0, 0.86), (0.22, 0.14, 0.20)), 0.16)
    lid = carve(ball(q, EYES, 0.185), opening(s - EYES[0], y - EYES[1]), 0.015)
    d = join(d, lid, 0.06)
    d = join(d, limb(p, (0, 0.12, 0.745), (0, -0.32, 0.915), 0.055, 0.065), 0.16)
    d = join(d, ball(p, (0, -0.365, 0.925), 0.083), 0.10)
    d = join(d, ball(q, (0.100, -0.40, 0.85), 0.058), 0.07)
    d = carve(d, ellipsoid(q, (0.055, -0.455, 0.895), (0.030, 0.025, 0.045)), 0.03)
    d = join(d, ellipsoid(p, (0, -0.70, 0.60), (0.31, 0.21, 0.175)), 0.2)
    d = carve(d, limb(p, (0, -0.50, 0.90), (0, -0.60, 0.875), 0.02, 0.025), 0.05)
    d = join(d, lips(q), 0.04)
    bow = y + 0.010 * np.cos(16 * s)
    d = carve(d, limb((s, bow, z), (0, -0.690, 0.86), (0.235, -0.672, 0.785), 0.006, 0.004), 0.02)
    neck = limb(p, (0, -0.85, -0.24), (0, -2.1, -0.34), 0.32, 0.39)
    neck = join(neck, limb(q, (0.40, -0.70, -0.32), (0.10, -1.98, 0.12), 0.08, 0.06), 0.14)
    return join(d, neck, 0.12)


def lips(q):
    x, y, z = q
    q = np.sqrt(x * x + np.float32(1.5e-3)), y, z
    upper = limb(q, (0.020, -0.652, 0.800), (0.240, -0.680, 0.706), 0.042, 0.010)
    lower = limb(q, (0.0, -0.746, 0.788), (0.205, -0.702, 0.716), 0.052, 0.014)
    return np.minimum(upper, lower)


def mane(x, y, z):
    """The mass of hair: a cap and two curtains, parted to her left, open before the face."""
    s = np.abs(x)
    parting = np.abs(x - 0.10)
    d = ellipsoid((x, y, z), (0, 0.33, -0.20), (0.87, 0.92, 1.00))
    d = d + 0.022 * np.exp(-(parting / 0.06) ** 2) * smoothstep(0.3, 0.8, y)
    d = join(d, limb((s, y, z), (0.66, 0.05, -0.08), (0.74, -1.15, -0.10), 0.22, 0.25), 0.25)
    d = join(d, limb((s, y, z), (0.74, -1.15, -0.10), (0.64, -2.2, -0.50), 0.25, 0.24), 0.15)
    d = join(d, ellipsoid((x, y, z), (0, -0.7, -0.60), (0.80, 1.45, 0.42)), 0.3)
    wave = 0.035 * np.sin(4.1 * y + 4 * x + 0.6) * smoothstep(0.3, -0.5, y) + 0.012 * np.sin(9 * y + 13 * x + 6 * z)
    locks = 0.02 * np.sin(26 * (s - 0.25 * z) + 3 * y) * smoothstep(0.2, -1.0, y)
    face = ellipsoid((s + 0.22 * np.maximum(y - 0.1, 0) ** 1.5, y, z), (0, -0.25, 0.75), (0.60, 1.04, 0.85))
    return carve(d + wave + locks, face, 0.10)


def torso(p):
    x, y, z = rotated(p, 0.10, 0, 0, (0, -2, 0))
    s = np.sqrt(x * x + np.float32(1e-3))
    d = limb((s, y, z), (0.0, -2.10, -0.34), (1.16, -2.36, -0.34), 0.40, 0.34)
    d = join(d, limb((s, y, z), (0.0, -1.75, -0.36), (0.9, -2.25, -0.36), 0.30, 0.20), 0.3)
    d = join(d, ellipsoid((x, y, z), (0, -3.15, -0.20), (1.20, 1.30, 0.66)), 0.4)
    d = join(d, limb((s, y, z), (0.10, -2.08, 0.10), (0.95, -1.97, -0.18), 0.05, 0.05), 0.12)  # collar bones
    return join(d, limb((s, y, z), (1.22, -2.45, -0.34), (1.50, -4.5, -0.1), 0.32, 0.34), 0.15)


def neckline(p):
    x, y, z = rotated(p, 0.10, 0, 0, (0, -2, 0))
    return ellipsoid((x, y, z), (0, -1.75, 0.1), (0.74, 0.72, 1.2))


def dress(p, body):
    """A plain dress with a round neckline; its folds hang from the shoulders."""
    x, y, z = rotated(p, 0.10, 0, 0, (0, -2, 0))
    fall = x + 0.16 * np.sin(1.7 * y + 1.0) + 0.06 * np.sin(4 * y + 5 * x) + 0.05 * np.sin(9 * x)
    folds = np.abs(np.sin(9 * fall / (0.5 - 0.2 * y))) ** 1.2 * smoothstep(-2.0, -2.7, y)
    trim = neckline(p)
    hem = 0.02 * smoothstep(0.09, 0.07, trim)
    return carve(body - 0.05 - 0.045 * folds - hem, trim, 0.03)


def solids(p):
    head = head_of(p)
    eye = ball((np.abs(head[0]), head[1], head[2]), EYES, 0.165)
    body = torso(p)
    return join(flesh(*head), body, 0.22), eye, mane(*head), dress(p, body)


def woman(p):
    skin, eye, hair, cloth = solids(p)
    return np.minimum(np.minimum(skin, eye), np.minimum(hair, cloth))


def shade(p, way):
    """Light (3, n) that leaves p against the way it was looked at, and what was seen there."""
    parts = np.stack(solids(p))
    what = parts.argmin(0)
    n = march.normal(woman, p)
    near_window = march.open_light(woman, p + 0.01 * n, WINDOW, 0.16, 2.5)
    sky = march.openness(woman, p, n, 0.5)
    head = head_of(p)
    colour, shine, power = paint(p, head, what)
    facing = (n * WINDOW[:, None]).sum(0)
    light = np.zeros_like(p)
    soft = np.where(what == SKINNED, 1.0, 0.3)
    for c, bleed in enumerate((0.16, 0.09, 0.07)):  # blood lets red light round the edge of the shadow
        wrap = bleed * soft
        lit = np.clip((facing + wrap) / (1 + wrap), 0, 1) * (near_window ** (1 - 0.5 * soft * bleed))
        fill = 0.5 + 0.5 * (n * ROOM[:, None]).sum(0)
        key, room, base = (1.72, 1.58, 1.38)[c], (0.20, 0.19, 0.19)[c], (0.10, 0.10, 0.115)[c]
        light[c] = colour[c] * (key * lit + (room * fill + base * (1.4 + n[1])) * sky)
    rim = np.clip((n * BEHIND[:, None]).sum(0), 0, 1) * (1 + (n * way).sum(0)) ** 2 * sky
    light += colour * rim * np.array((1.6, 1.5, 1.4))[:, None]
    light += shine * march.gloss(n, way, WINDOW, power) * near_window
    return light.astype(np.float32), what, n


def paint(p, head, what):
    """Colour (3, n), strength and sharpness of the highlight where p is."""
    x, y, z = head
    s = np.abs(x)
    blush = 0.36 * np.exp(-((s - 0.40) / 0.20) ** 2 - ((y + 0.33) / 0.18) ** 2)
    blush = blush + 0.35 * np.exp(-(x / 0.13) ** 2 - ((y + 0.40) / 0.12) ** 2) * (z > 0.8)
    blush = blush + 0.25 * np.exp(-((y + 1.0) / 0.12) ** 2 - (x / 0.2) ** 2)
    blush = blush + 0.10 * gradient_noise(x * 9 + z * 5, y * 9, 21) + 0.05 * gradient_noise(x * 60, y * 60 + z * 40, 22)
    skin = mix(SKIN, RED, np.clip(blush + 0.08, 0, 1))
    hollow = np.exp(-((s - 0.30) / 0.20) ** 2 - ((y + 0.02) / 0.13) ** 2)
    skin = skin * (1 - 0.22 * hollow * (z > 0.5))[:, None]
    mouth = smoothstep(0.022, -0.006, lips((s, y, z)))
    skin = mix(skin, LIP, mouth * 0.85)
    line = smoothstep(0.014, 0.003, np.abs(y + 0.010 * np.cos(16 * s) + 0.690 - 0.09 * s)) * smoothstep(0.25, 0.19, s)
    skin = mix(skin, LIP * 0.3, 0.8 * line * (z > 0.6))
    along = (s - 0.13) / 0.36
    line = 0.205 + 0.085 * np.sin(np.clip(along, -0.1, 1.2) * 2.3) - 0.02
    thick = 0.046 * (1.1 - 0.75 * along)
    brow = smoothstep(1.15, 0.3, np.abs(y - line) / np.maximum(thick, 0.005)) * smoothstep(-0.06, 0.08, along)
    brow = brow * smoothstep(1.05, 0.8, along) * (0.85 + 0.3 * gradient_noise(s * 50 - y * 40, y * 20 + s * 10, 23))
    skin = mix(skin, HAIR * 0.8, np.clip(brow * 0.95, 0, 1) * (z > 0.3))
    edge = opening(s - EYES[0], y - EYES[1])
    lash = smoothstep(0.022, 0.004, np.abs(edge - 0.004)) * (y > EYES[1] - 0.01 + 0.1 * (s - EYES[0])) * (z > 0.5)
    crease = smoothstep(0.022, 0.004, np.abs(edge - 0.052)) * (y > 0.03) * (np.abs(s - EYES[0]) < 0.17) * (z > 0.5)
    skin = skin * (1 - 0.35 * crease)[:, None]
    skin = mix(skin, to_linear((0.13, 0.08, 0.06)), lash * 0.9)

    gx, gy = s - EYES[0], y - EYES[1]
    look = np.hypot(x - np.sign(x) * EYES[0] + 0.030, gy - 0.005)
    eye = mix(to_linear((0.84, 0.80, 0.76)), to_linear((0.80, 0.58, 0.52)), smoothstep(0.09, 0.16, np.abs(gx)))
    iris = mix(to_linear((0.38, 0.34, 0.20)), to_linear((0.20, 0.24, 0.20)), smoothstep(0.045, 0.08, look))
    iris = iris * (0.85 + 0.5 * gradient_noise(np.arctan2(gy, x - np.sign(x) * EYES[0]) * 9, look * 9, 24))[:, None]
    eye = mix(eye, iris, smoothstep(0.088, 0.078, look))
    eye = mix(eye, (0.006, 0.005, 0.005), smoothstep(0.040, 0.033, look))
    eye = eye * (0.35 + 0.65 * smoothstep(0.0, 0.055, -edge - 0.3 * np.clip(gy, 0, 1)))[:, None]

    weave = 0.94 + 0.10 * gradient_noise(p[0] * 70, p[1] * 70, 25)
    cloth = mix(CLOTH, LINEN, smoothstep(0.09, 0.08, neckline(p))) * weave[:, None]
    colour = np.choose(what[None], (skin.T, eye.T, np.broadcast_to(HAIR[:, None], p.shape), cloth.T))
    shine = np.choose(what, (0.10 + 0.25 * mouth, 2.6, 0.0, 0.02))
    power = np.choose(what, (18.0 + 20 * mouth, 700.0, 10.0, 6.0))
    return colour, shine, power


def comb(p, n):
    """Which way the hair lies at p (3, n): from the parting to both sides and back, then down in waves."""
    x, y, z = head_of(p)
    nx, ny, nz = head_of(n + np.array((0, -0.9, -0.1), np.float32)[:, None])
    nx, ny, nz = nx, ny + 0.9, nz + 0.1
    side = np.where(x > 0.12, 1, -1) * smoothstep(0.1, 0.7, y)
    wave = 0.28 * np.sin(4.6 * y + 3 * x + 1.0) * smoothstep(0.4, -0.4, y)
    t = np.stack([0.9 * side + wave, -1.0 + 0 * y, -0.55 * smoothstep(0.0, 0.8, y)])
    t = t - np.stack([nx, ny, nz]) * (t[0] * nx + t[1] * ny + t[2] * nz)
    t = rotated(t, 0, 0, -LEAN)
    t = np.stack(rotated(rotated(t, 0, -TILT), -TURN))
    return t / (np.linalg.norm(t, axis=0) + 1e-6)


def strands(picture, far, hair, p, n, way, rng):
    """Draws the hair on the picture (h, w, 3): thin strokes along the way it lies, each with a gloss of its own.

    far (h, w): how far away all that is seen lies; hair: the pixels where p, with normal n, is hair."""
    h, w = picture.shape[:2]
    t = comb(p, n)
    flow = np.zeros((h * w, 2), np.float32)
    flow[hair] = np.stack([t[0], -t[1]], 1)
    shine = np.zeros(h * w, np.float32)
    window, eye = (t * WINDOW[:, None]).sum(0), (t * way).sum(0)
    shine[hair] = np.clip(window * eye + np.sqrt(np.clip((1 - window ** 2) * (1 - eye ** 2), 0, 1)), 0, 1)
    mask = np.zeros(h * w, np.float32)
    mask[hair] = 1
    flow, shine, mask = flow.reshape(h, w, 2), shine.reshape(h, w), mask.reshape(h, w)
    spread = blur(mask, h / 160)[..., None] + 1e-3  # strands may leave the mass a little way
    flow = blur(flow, h / 160) / spread
    mass = blur(picture * mask[..., None], h / 260) / (blur(mask, h / 260)[..., None] + 1e-3)
    near = blur(mask, h / 260)
    behind = far > blur(far * mask, h / 260) / (near + 1e-3) - 0.02  # what strands may fall across
    for count, long, pen, dark, bright, within in ((w * 9, 0.16, 3, 0.5, 1.1, 0.5), (w * 16, 0.13, 2, 0.6, 1.6, 0.4),
                                                   (w * 10, 0.11, 1, 0.7, 2.6, 0.08)):
        pick = rng.choice(hair, count)
        start = np.stack([pick % w, pick // w], 1).astype(np.float32)
        paths = trace(flow, start, long * h * rng.uniform(0.5, 1.3, count).astype(np.float32), 26)
        load = rng.uniform(dark, bright, count)
        image = Image.new("RGBA", (w, h))
        draw = ImageDraw.Draw(image)
        for path, value in zip(paths, load):
            ix, iy = np.clip(path[:, 0].astype(int), 0, w - 1), np.clip(path[:, 1].astype(int), 0, h - 1)
            at = (near[iy, ix] > within) & behind[iy, ix]
            colour = mass[iy, ix] * value * (0.7 + 1.6 * shine[iy, ix, None] ** 30)
            colour = colour * np.clip(0.25 + near[iy, ix], 0, 1)[:, None]  # stray ones hang in the shade of the rest
            colour = (np.clip(colour, 0, 1) ** (1 / 2.2) * 255).astype(int)
            for k in range(2, 24):
                if at[k]:
                    draw.line([tuple(path[k]), tuple(path[k + 1])], (*colour[k], 150), max(1, pen * w // 1024))
        layer = np.asarray(image, np.float32) / 255
        picture = mix(picture, to_linear(layer[..., :3]), layer[..., 3])
    return picture


def wall(w, h):
    """Grey-green plaster, in the window's light to the right of her shadow side."""
    v, u = np.mgrid[0:h, 0:w].astype(np.float32) / h
    patch = fbm(u * 3, v * 3, 5, 31) + 0.3 * fbm(u * 40, v * 40, 3, 35)
    glow = np.exp(-((u - 0.66) / 0.42) ** 2 - ((v - 0.52) / 0.50) ** 2)
    tone = 0.40 + 0.75 * glow + 0.07 * patch
    return to_linear((0.47, 0.46, 0.41)) * tone[..., None]


def render(size=512):
    """The picture, a Pillow image `size` wide, five quarters as high; drawn twice as large, then reduced."""
    w, h = 2 * size, 2 * (size * 5 // 4)
    way = march.rays(w, h, EYE, TARGET, VIEW)
    t = march.in_parts(lambda d: march.march(woman, EYE, d, 8.5, 14.0), way)
    seen = np.flatnonzero(t < 14.0)
    p = np.asarray(EYE, np.float32)[:, None] + way[:, seen] * t[seen]
    light, what, n = march.in_parts(shade, p, way[:, seen])
    picture = wall(w, h).reshape(-1, 3)
    picture[seen] = light.T
    picture = picture.reshape(h, w, 3)
    hair = what == HAIRED
    at = seen[hair]
    picture = strands(picture, t.reshape(h, w), at, p[:, hair], n[:, hair], way[:, at], np.random.default_rng(41))
    small = Image.fromarray((develop(picture) * 255 + 0.5).astype(np.uint8))
    return small.resize((size, size * 5 // 4), Image.LANCZOS)
