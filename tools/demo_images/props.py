"""What stands near the lake: the spit with its boathouse, jetty, boat and pines, and the meadow in front.

Layers are RGBA display values (h, w, 4); `flip` -1 draws the mirror image that still water would show."""

import numpy as np

from .noise import fbm, gradient_noise, mix, smoothstep, to_linear
from .pines import ink, layer_of, pine, sheet

SPIT_LEVEL = 0.8  # metres above the water
CORNER, GABLE, LENGTH = np.array((12.5, 54.0)), np.array((-0.66, 0.75)) * 7.2, np.array((0.75, 0.66)) * 9.5
WALL, RIDGE = 3.9, 8.2
RED, WHITE, SLATE, WOOD = (0.50, 0.15, 0.115), (0.93, 0.88, 0.80), (0.26, 0.26, 0.31), (0.52, 0.43, 0.34)
LAMP = (1.0, 0.83, 0.42)
# x, z and height of the pines behind the boathouse
STAND = ((20.5, 80, 17), (26, 84, 22), (32, 82, 19), (15, 86, 15), (37, 80, 25), (29, 74, 24), (23.5, 70, 19),
         (33, 70, 27), (11.5, 76, 12), (25.5, 64, 13), (28.5, 61, 21))


def over(scene, layer):
    """Lays an RGBA display layer over a scene of light."""
    return mix(scene, to_linear(layer[..., :3]), layer[..., 3])


def merge(below, above):
    """Lays one opaque-or-absent RGBA layer over another."""
    alpha = above[..., 3:]
    out = below * (1 - alpha) + above * alpha
    out[..., 3:] = np.maximum(below[..., 3:], alpha)
    return out


def quad(layer, corners, shader):
    """Fills a projected rectangle with shader(u, v) -> (n, 3) display values.

    Its corners, in pixels, belong to (u, v) = (0, 0), (1, 0), (1, 1) and (0, 1)."""
    corners = np.asarray(corners, np.float64)
    unit = ((0, 0), (1, 0), (1, 1), (0, 1))
    rows, right = [], []
    for (u, v), (x, y) in zip(unit, corners):  # the homography from pixels to u, v
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        right += [u, v]
    m = np.append(np.linalg.solve(np.array(rows), right), 1).reshape(3, 3)
    h, w = layer.shape[:2]
    x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (w, h))
    if x0 >= x1 or y0 >= y1:
        return
    y, x = np.mgrid[y0:y1, x0:x1] + 0.5
    p = m @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    u, v = p[0] / p[2], p[1] / p[2]
    inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    patch = layer[y0:y1, x0:x1].reshape(-1, 4)
    patch[inside, :3] = np.clip(shader(u[inside], v[inside]), 0, 1)
    patch[inside, 3] = 1
    layer[y0:y1, x0:x1] = patch.reshape(y1 - y0, x1 - x0, 4)


def planks(colour, count, seed, light, grain=0.16, eave=0.0):
    """Shader of boards along v, each with its own tone, grain and dark joint; `eave` shades their tops."""
    def shader(u, v):
        board = np.floor(u * count)
        tone = 1 + grain * gradient_noise(board * 7.3 + 0.5, v * 0 + 0.5, seed)
        tone = tone + 0.5 * grain * fbm(u * count * 5, v * 3, 3, seed + 1)
        tone = tone * (0.90 + 0.25 * fbm(u * count * 0.7, v * 1.3, 4, seed + 2))
        tone = tone * (1 - eave * smoothstep(0.72, 0.9, v))
        joint = np.abs(u * count - board - 0.5) > 0.42
        return np.asarray(colour) * np.asarray(light) * (tone * np.where(joint, 0.55, 1))[:, None]
    return shader


def flat(colour):
    return lambda u, v: np.broadcast_to(np.asarray(colour, np.float32), (u.size, 3))


def window(panes=2):
    """Shader of a lit window: white frame, crossbars, lamplight that fades towards the sill."""
    def shader(u, v):
        bar = (np.minimum(u, 1 - u) < 0.10) | (np.minimum(v, 1 - v) < 0.08)
        bar |= (np.abs(u * panes % 1 - 0.0) < 0.05 * panes) | (np.abs(v - 0.5) < 0.04)
        glow = np.asarray(LAMP) * (0.86 + 0.22 * np.sin(3 * v + 2 * u))[:, None]
        return np.where(bar[:, None], np.array(WHITE) * 0.92, glow)
    return shader


class Box:
    """Turns positions on the boathouse into pixels: along the gable, along the length, height."""

    def __init__(self, cam, flip):
        self.cam, self.flip = cam, flip

    def at(self, gable, length, y):
        x, z = CORNER + GABLE * gable + LENGTH * length
        return self.cam.project(x, self.flip * (SPIT_LEVEL + y), z)

    def gable(self, g0, g1, y0, y1):
        return [self.at(g0, 0, y0), self.at(g1, 0, y0), self.at(g1, 0, y1), self.at(g0, 0, y1)]

    def side(self, l0, l1, y0, y1):
        return [self.at(0, l0, y0), self.at(0, l1, y0), self.at(0, l1, y1), self.at(0, l0, y1)]


def boathouse(layer, cam, flip):
    """Red boards and white trim, a sunlit gable with the door, a shaded side with lit windows, slates."""
    box, sunlit, shade = Box(cam, flip), (1.32, 1.14, 0.98), (0.66, 0.72, 0.88)
    quad(layer, box.side(0, 1, 0, WALL), planks(RED, 26, 801, shade, eave=0.45))
    quad(layer, box.gable(0, 1, 0, WALL), planks(RED, 20, 811, sunlit))
    for k in range(20):  # the triangle under the ridge, board by board
        g0, g1 = k / 20, (k + 1) / 20
        y0, y1 = (WALL + (RIDGE - WALL) * (1 - abs(2 * g - 1)) + 0.01 for g in (g0, g1))
        corners = [box.at(g0, 0, WALL), box.at(g1, 0, WALL), box.at(g1, 0, y1), box.at(g0, 0, y0)]
        quad(layer, corners, planks(RED, 1, 821 + k, sunlit))
    quad(layer, box.side(0, 1, 0, 0.45), planks((0.5, 0.48, 0.46), 9, 831, shade))
    quad(layer, box.gable(0, 1, 0, 0.45), planks((0.5, 0.48, 0.46), 8, 832, sunlit))
    for l0 in (0.12, 0.42, 0.72):
        quad(layer, box.side(l0, l0 + 0.18, 1.25, 3.0), window())
    quad(layer, box.gable(0.34, 0.66, 0.3, 3.3), flat(WHITE))
    quad(layer, box.gable(0.37, 0.63, 0.3, 3.1), planks((0.13, 0.34, 0.36), 6, 841, (1.1, 1.1, 1.0)))
    quad(layer, box.gable(0.41, 0.59, 4.3, 5.9), window())
    for at in (box.side(0, 0.035, 0, WALL), box.gable(0, 0.04, 0, WALL), box.gable(0.96, 1, 0, WALL)):
        quad(layer, at, flat(np.array(WHITE) * 0.95))

    def slates(u, v):
        row = np.floor(v * 13)
        tile = np.floor(u * 22 + 0.5 * (row % 2))
        tone = 0.95 + 0.3 * gradient_noise(tile * 3.1 + 0.5, row * 5.7 + 0.5, 850)
        tone = tone - 0.25 * (v * 13 - row < 0.16)
        return (np.array(SLATE) + np.array((0.10, 0.09, 0.10)) * v[:, None]) * tone[:, None]

    rise = RIDGE + 0.35
    eave, ridge = -0.09, 0.5
    quad(layer, [box.at(eave, -0.07, WALL - 0.5), box.at(eave, 1.05, WALL - 0.5), box.at(ridge, 1.05, rise),
                 box.at(ridge, -0.07, rise)], slates)
    for foot in (-0.09, 1.09):  # the white boards along the gable's edge
        corners = ((foot, WALL - 0.62), (foot, WALL - 0.1), (0.5, rise + 0.1), (0.5, rise - 0.6))
        quad(layer, [box.at(g, -0.07, y) for g, y in corners], flat(WHITE))
    for face, tone in (((0.42, 0.42, 0.62, 0.72), 0.55), ((0.42, 0.58, 0.62, 0.62), 1.0)):
        g0, g1, l0, l1 = face
        quad(layer, [box.at(g0, l0, 6.6), box.at(g1, l1, 6.6), box.at(g1, l1, 9.6), box.at(g0, l0, 9.6)],
             planks((0.62, 0.36, 0.28), 3, 861, (tone, tone, tone)))


def jetty(layer, cam, flip):
    """Boards on posts, from the boathouse door out over the water, with a boat beside it."""
    start, end, half = np.array((9.0, 55.5)), np.array((-5.5, 49.5)), np.array((-0.5, 1.2)) * 0.8

    def pixel(p, y):
        return cam.project(p[0], flip * y, p[1])

    def post(u, v):
        return np.array(WOOD) * (1.15 - 0.8 * u[:, None])

    for t in np.linspace(0.12, 0.98, 7):
        for side in (1, -1):
            foot = start + (end - start) * t + side * half
            corners = ((-0.16, -0.1), (0.16, -0.1), (0.16, 1.5), (-0.16, 1.5))
            quad(layer, [pixel(foot + (dx, 0), y) for dx, y in corners], post)
    deck = [pixel(p, 0.9) for p in (start - half, end - half, end + half, start + half)]
    quad(layer, deck, planks(WOOD, 46, 871, (1.3, 1.16, 0.98), 0.3))
    edge = [pixel(start - half, 0.55), pixel(end - half, 0.55), deck[1], deck[0]]
    quad(layer, edge, flat(np.array(WOOD) * 0.55))
    return boat(layer, cam, flip)


def boat(layer, cam, flip):
    """A rowing boat: rim and keel are curves from bow to stern, the hull is what lies between them."""
    def pixel(p, y):
        return cam.project(p[0], flip * y, p[1])

    bow, stern = np.array((-1.0, 45.0)), np.array((4.6, 46.6))
    t = np.linspace(0, 1, 24)
    belly = np.sin(np.pi * t ** 0.75) ** 0.6
    axis = bow + (stern - bow) * t[:, None]
    rim = 0.62 + 0.5 * (1 - t) ** 3 + 0.12 * t ** 3
    near = [pixel(p - (0, 0.75 * b), y) for p, b, y in zip(axis, belly, rim)]
    far = [pixel(p + (0, 0.75 * b), y) for p, b, y in zip(axis, belly, rim)]
    keel = [pixel(p - (0, 0.55 * b), 0.0) for p, b in zip(axis, belly)]
    image, draw = sheet(cam)
    draw.polygon(far + near[::-1], ink((0.42, 0.30, 0.20)))
    draw.polygon(near + keel[::-1], ink((0.16, 0.30, 0.42)))
    pen = max(2, cam.w // 500)
    draw.line(near, ink(WHITE), pen)
    draw.line(far, ink(np.array(WHITE) * 0.8), pen)
    for k in (8, 15):
        draw.line([near[k], far[k]], ink((0.75, 0.58, 0.38)), 2 * pen)
    return merge(layer, layer_of(image))


def shore(draw, cam, flip, rng):
    """Stones and reeds along the near edge of the spit."""
    for x in np.sort(rng.uniform(8, 36, 110)):
        z = 60 - 3.4 * np.sqrt(x - 5.5) + rng.normal(0, 0.5)
        px, py = cam.project(x, flip * 0.12, z)
        r = rng.uniform(0.15, 0.55) * cam.focal / z
        tone = np.array((0.46, 0.42, 0.39)) * rng.uniform(0.6, 1.25)
        draw.ellipse([px - r, py - 0.6 * r, px + r, py + 0.6 * r], ink(tone * 0.55))
        draw.ellipse([px - r, py - 0.6 * r, px + 0.5 * r, py + 0.25 * r], ink(tone * (1.25, 1.12, 0.95)))
    for x in rng.choice((16.0, 19.0, 24.0, 25.5, 29.0), 520) + rng.normal(0, 0.9, 520):
        z = 59.2 - 3.4 * np.sqrt(max(x - 5.5, 0.1)) + rng.normal(0, 0.5)
        foot, tall = cam.project(x, 0, z), rng.uniform(0.5, 1.7)
        tip = cam.project(x + rng.normal(0.08, 0.2), flip * tall, z)
        draw.line([foot, tip], ink(np.array((0.44, 0.46, 0.18)) * rng.uniform(0.5, 1.4)), 1)


def smoke(cam):
    """A thin plume from the chimney that leans away from the sun."""
    x0, y0 = Box(cam, 1).at(0.5, 0.67, 9.7)
    rows, cols = np.mgrid[0:cam.h, 0:cam.w].astype(np.float32)
    rise = (y0 - rows) / cam.h
    curl = fbm(rows / cam.h * 14, cols * 0, 3, 911)
    centre = x0 + cam.w * (0.35 * np.clip(rise, 0, 1) ** 1.3 + 0.03 * curl * smoothstep(0, 0.15, rise))
    wide = cam.w * (0.006 + 0.10 * np.clip(rise, 0, 1))
    puffs = 0.65 + 0.6 * fbm(cols / cam.w * 28 - rise * 9, rise * 30, 4, 915)
    alpha = np.exp(-((cols - centre) / wide) ** 2) * smoothstep(0, 0.02, rise) * smoothstep(0.34, 0.05, rise)
    layer = np.empty((cam.h, cam.w, 4), np.float32)
    layer[..., :3], layer[..., 3] = (0.84, 0.81, 0.83), np.clip(0.62 * alpha * puffs, 0, 1)
    return layer


def spit(cam, flip=1):
    """The spit of land on the right with everything on it."""
    layer = np.zeros((cam.h, cam.w, 4), np.float32)
    for level, rim in ((0.0, True), (flip * SPIT_LEVEL, False)):
        x, z = cam.ground(level)
        half = np.where(z < 60, 3.4, 9.0)
        land = x - 5.5 - ((z - 60) / half) ** 2 + 2.2 * fbm(x * 0.35, z * 0.35, 4, 881) > (0 if rim else 0.25)
        land &= (cam.row < -0.01)[:, None]
        patch = fbm(x * 0.5, z * 0.4, 5, 890)
        if rim:
            colour = np.array((0.30, 0.27, 0.25)) * (1 + 0.8 * fbm(x * 1.6, z * 1.6, 4, 895))[..., None]
        else:
            colour = mix((0.30, 0.36, 0.14), (0.70, 0.60, 0.24), smoothstep(-0.25, 0.35, patch))
            shadow = smoothstep(0, 1.2, x - 8.1 - 0.1 * z) * smoothstep(50, 53, z)  # cast by the house
            tone = (1 - 0.5 * shadow) * (1 + 0.5 * fbm(x * 3, z * 1.2, 3, 897))
            colour = colour * tone[..., None]
        layer[land, :3], layer[land, 3] = np.clip(colour[land], 0, 1), 1

    rng = np.random.default_rng(31)
    image, draw = sheet(cam)
    shore(draw, cam, flip, rng)
    for x, z, tall in sorted(STAND, key=lambda tree: -tree[1]):
        px, py = cam.project(x, flip * SPIT_LEVEL, z)
        pine(draw, px, py, tall * cam.focal / z, rng, flip, 0.23, 0.03)
    layer = merge(layer, layer_of(image))
    boathouse(layer, cam, flip)
    layer = jetty(layer, cam, flip)
    image, draw = sheet(cam)
    for x, z, tall in ((22.5, 53, 4.5), (26.5, 51, 8)):
        px, py = cam.project(x, flip * SPIT_LEVEL, z)
        pine(draw, px, py, tall * cam.focal / z, rng, flip, 0.24, 0.03)
    return merge(layer, layer_of(image))
