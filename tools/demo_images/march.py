"""Solid shapes as signed distances, and light on them: what the portrait and the still life are made of.

A point is a row x, y, z of arrays (3, n): x to the right, y up, z towards the eye. A shape is a function of it that
tells how far away its surface is, negative inside; shapes that melt into each other give flesh, cloth and fruit."""

import numpy as np


def length(x, y, z):
    return np.sqrt(x * x + y * y + z * z)


def ball(p, centre, radius):
    return length(p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]) - radius


def ellipsoid(p, centre, radii):
    """Not an exact distance, but one that is right near the surface."""
    x, y, z = (np.float32(1 / r) * (a - c) for a, c, r in zip(p, centre, radii))
    k = length(x, y, z)
    return k * (k - 1) / (length(x / radii[0], y / radii[1], z / radii[2]) + np.float32(1e-6))


def limb(p, a, b, ra, rb):
    """A rod with round ends from a to b, ra thick at a and rb at b."""
    ax, ay, az = (v - c for v, c in zip(p, a))
    bx, by, bz = (d - c for c, d in zip(a, b))
    t = np.clip((ax * bx + ay * by + az * bz) * np.float32(1 / (bx * bx + by * by + bz * bz)), 0, 1)
    return length(ax - bx * t, ay - by * t, az - bz * t) - (ra + (rb - ra) * t)


def join(a, b, soft):
    """Union whose seam is filled to a width of soft."""
    h = np.maximum(soft - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h * np.float32(0.25 / soft)


def carve(a, b, soft):
    """a without b, the rim rounded."""
    return -join(-a, b, soft)


def rotated(p, yaw, pitch=0.0, roll=0.0, pivot=(0, 0, 0)):
    """The point as a thing sees it that was turned about the pivot: yaw to the left, then up, then clockwise."""
    x, y, z = (v - c for v, c in zip(p, pivot))
    for angle, axis in ((yaw, 0), (pitch, 1), (roll, 2)):
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        if axis == 0:
            x, z = c * x + s * z, c * z - s * x
        elif axis == 1:
            y, z = c * y - s * z, c * z + s * y
        else:
            x, y = c * x - s * y, c * y + s * x
    return x + pivot[0], y + pivot[1], z + pivot[2]


def bounded(shape, p, centre, radius):
    """shape(p), but looked at only near the ball that holds it; elsewhere the distance to that ball will do."""
    d = ball(p, centre, radius)
    near = np.flatnonzero(d < 0.1)
    d = d + np.float32(0.05)
    if near.size:
        d[near] = shape(np.ascontiguousarray(p[:, near]))
    return d


def in_parts(work, *arrays, part=1 << 15):
    """work(*arrays) for arrays (..., n), a cache-sized part of the n at a time."""
    n = arrays[0].shape[-1]
    parts = [work(*(a[..., k:k + part] for a in arrays)) for k in range(0, n, part)]
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(column, -1) for column in zip(*parts))
    return np.concatenate(parts, -1)


def rays(w, h, eye, target, view):
    """Unit directions (3, w * h) through the pixels of a picture that is `view` wide where the target is."""
    ahead = np.asarray(target, np.float32) - np.asarray(eye, np.float32)
    distance = np.linalg.norm(ahead)
    ahead = ahead / distance
    right = np.cross(ahead, (0, 1, 0))
    right = right / np.linalg.norm(right)
    up = np.cross(right, ahead)
    v, u = np.mgrid[0:h, 0:w].astype(np.float32)
    u, v = (u.ravel() + 0.5 - w / 2) * view / w / distance, (h / 2 - v.ravel() - 0.5) * view / w / distance
    d = ahead[:, None] + right[:, None] * u + up[:, None] * v
    return (d / np.linalg.norm(d, axis=0)).astype(np.float32)


def march(shape, start, way, near, far, steps=90, close=0.002):
    """How far along each way (3, n) the shape is met; `far` where it is not."""
    start = np.asarray(start, np.float32).reshape(3, -1)
    t, live = np.full(way.shape[1], near, np.float32), np.arange(way.shape[1])
    for _ in range(steps):
        d = shape((start[:, live] if start.shape[1] > 1 else start) + way[:, live] * t[live])
        t[live] += 0.9 * d
        live = live[(d > close) & (t[live] < far)]
        if not live.size:
            break
    return np.minimum(t, far)


def normal(shape, p, step=0.003):
    """Unit normals (3, n) from four looks at the shape."""
    n = np.zeros_like(p)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        corner = np.array(corner, np.float32)[:, None]
        n += corner * shape(p + step * corner)
    return n / (np.linalg.norm(n, axis=0) + 1e-9)


def open_light(shape, p, light, width, reach, steps=22):
    """Share of a lamp in direction `light` that reaches p; `width` is the lamp's, as a tangent."""
    t, seen = np.full(p.shape[1], 0.03, np.float32), np.ones(p.shape[1], np.float32)
    light = np.asarray(light, np.float32)[:, None]
    for _ in range(steps):
        d = shape(p + light * t)
        seen = np.minimum(seen, 0.5 + 0.5 * d / (width * t))
        t = t + np.clip(d, 0.02, reach / 8)
        if t.min() > reach:
            break
    seen = np.clip(seen, 0, 1)
    return seen * seen * (3 - 2 * seen)


def openness(shape, p, n, reach):
    """How much of the sky p sees, in (0, 1]: corners and folds see less."""
    shut = 0.0
    for k, share in ((0.08, 0.5), (0.25, 0.25), (0.55, 0.15), (1.0, 0.1)):
        shut = shut + share * np.clip(1 - shape(p + n * (k * reach)) / (k * reach), 0, 1)
    return 1 - shut


def gloss(n, way, light, power):
    """Highlight of a lamp: Blinn's, with `power` as the sharpness."""
    half = np.asarray(light, np.float32)[:, None] - way
    half = half / np.linalg.norm(half, axis=0)
    return np.clip((n * half).sum(0), 0, 1) ** power
