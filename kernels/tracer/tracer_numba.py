"""dc/dt = -div(v c) + kappa lap(c) in Numba: WENO5-Z fluxes through faces, in row functions.

A block keeps its row buffers of fluxes in x and y and a plane buffer in z, so that every face is
computed once; LLVM vectorises the row functions. Between them a row asks for what the same row of
the next plane will be the first to read and write. Blocks are shared among threads. All row
functions are inlined into the block's: a call hands over seven numbers for each view of a row,
which for rows of 64 cells costs a third of the work on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.bridges._numba_rows import cells
from joulia.kernels._numba_blocks import NEAR, ask, blocks, buffers, part, row_to_read, row_to_write
from joulia.kernels._weno_numba import FLAGS, INLINED, ROW, flux1, flux3, flux5

SIDES = PLANES, ROWS, COLUMNS = 32, 16, 512
# Buffers, a row each: fluxes through west faces, south faces of even and odd rows, the top, and
# from BOTTOM on, through the bottom of each row of the block.
WEST, SOUTH, TOP, BOTTOM = 0, 1, 3, 4


@numba.njit(**INLINED)
def tendency(
    west: Any, east: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any,
    idz: Any,
) -> Any:  # fmt: skip
    """dc/dt of a cell, from the fluxes through its faces."""
    return muladd(bottom - top, idz, muladd(west - east, idx, (south - north) * idy))


@numba.njit(**INLINED)
def update1(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    now: Any, following: Any, first: Any,
) -> None:  # fmt: skip
    """The first stage's update of a row; `bottom` becomes the next plane's."""
    for x in range(following.size):
        rate = tendency(west[x], west[x + 1], south[x], north[x], bottom[x], top[x], idx, idy, idz)
        bottom[x] = top[x]
        following[x] = muladd(first, rate, now[x])


@numba.njit(**INLINED)
def update2(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    now: Any, history: Any, following: Any, second: Any, weight: Any, ahead: Any,
) -> None:  # fmt: skip
    for x in range(following.size):
        rate = tendency(west[x], west[x + 1], south[x], north[x], bottom[x], top[x], idx, idy, idz)
        bottom[x] = top[x]
        result = now[x] + muladd(second, rate, weight * (now[x] - history[x]))
        following[x] = result
        history[x] = muladd(ahead, rate, result)


@numba.njit(**INLINED)
def update3(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    field: Any, third: Any,
) -> None:  # fmt: skip
    for x in range(field.size):
        rate = tendency(west[x], west[x + 1], south[x], north[x], bottom[x], top[x], idx, idy, idz)
        bottom[x] = top[x]
        field[x] = muladd(third, rate, field[x])


@numba.njit(**INLINED)
def face(out: Any, c: Any, velocity: Any, at: Any, jump: Any, reach: Any, k: Any) -> None:
    """Through the faces between a row of c, from `at` on, and the cells a `jump` before them.

    `reach` cells lie on either side; nothing goes through a wall.
    """
    n = out.size
    speed = cells(velocity, at, n)
    before, after = cells(c, at - jump, n), cells(c, at, n)
    if reach >= 3:
        before3, before2 = cells(c, at - 3 * jump, n), cells(c, at - 2 * jump, n)
        after2, after3 = cells(c, at + jump, n), cells(c, at + 2 * jump, n)
        flux5(out, speed, before3, before2, before, after, after2, after3, k)
    elif reach == 2:
        before2, after2 = cells(c, at - 2 * jump, n), cells(c, at + jump, n)
        flux3(out, speed, before2, before, after, after2, k)
    elif reach == 1:
        flux1(out, speed, before, after, k)
    else:
        out[:] = 0.0


@numba.njit(**INLINED)
def faces(
    rows: Any, c: Any, u: Any, v: Any, w: Any, z: Any, y: Any, za: Any, ya: Any, yb: Any,
    a: Any, b: Any, bottom: Any, top: Any, kx: Any, ky: Any, kz: Any,
) -> Any:  # fmt: skip
    """The fluxes around a row, in order from (za - 1, ya - 1): whether all are there now.

    The rows before a block's first ones are there for the fluxes through their tops and north
    faces, so that each flux is computed in one place.
    """
    n = b - a
    width = rows.shape[1]
    _, ny, nx = c.shape
    plane = ny * nx
    at = (z * ny + y) * nx + a
    following = at + plane
    far = c.size > NEAR
    if y >= ya:
        level = TOP if z >= za else BOTTOM + y - ya
        reach = min(z + 1 - bottom, top - z - 1)
        if far:
            ask(c, following, n, nx, plane, 3, y == ya, y == yb - 1)
        face(cells(rows, level * width, n), c, w, at + plane, plane, reach, kz)
        if far:
            row_to_read(w, following + plane, n)
            row_to_read(u, following, n + 1)
    if z >= za:
        face(cells(rows, (SOUTH + ((y + 1) & 1)) * width, n), c, v, at + nx, nx, 3, ky)
        if far:
            row_to_read(v, following + nx, n)
    if z < za or y < ya:
        return False
    face(cells(rows, WEST * width, n + 1), c, u, at, 1, 3, kx)
    return True


@numba.njit(**ROW)
def block1(
    part: Any, rows: Any, c: Any, u: Any, v: Any, w: Any, c1: Any, bottom: Any, top: Any,
    geometry: Any, a: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, xa, xb = part
    idx, idy, idz, kx, ky, kz = geometry
    n = xb - xa
    width = rows.shape[1]
    _, ny, nx = u.shape
    for z in range(za - 1, zb):
        for y in range(ya - 1, yb):
            at = (z * ny + y) * nx + xa
            if not faces(rows, c, u, v, w, z, y, za, ya, yb, xa, xb, bottom, top, kx, ky, kz):
                continue
            if u.size > NEAR:
                row_to_write(c1, at + ny * nx, n)
            update1(
                cells(rows, WEST * width, n + 1), cells(rows, (SOUTH + (y & 1)) * width, n),
                cells(rows, (SOUTH + ((y + 1) & 1)) * width, n),
                cells(rows, (BOTTOM + y - ya) * width, n), cells(rows, TOP * width, n),
                idx, idy, idz,
                cells(c, at, n), cells(c1, at, n), a,
            )  # fmt: skip


@numba.njit(**ROW)
def block2(
    part: Any, rows: Any, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, bottom: Any, top: Any,
    geometry: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, xa, xb = part
    idx, idy, idz, kx, ky, kz = geometry
    n = xb - xa
    width = rows.shape[1]
    _, ny, nx = u.shape
    for z in range(za - 1, zb):
        for y in range(ya - 1, yb):
            at = (z * ny + y) * nx + xa
            if not faces(rows, c1, u, v, w, z, y, za, ya, yb, xa, xb, bottom, top, kx, ky, kz):
                continue
            if u.size > NEAR:
                row_to_write(c, at + ny * nx, n)
                row_to_write(c2, at + ny * nx, n)
            update2(
                cells(rows, WEST * width, n + 1), cells(rows, (SOUTH + (y & 1)) * width, n),
                cells(rows, (SOUTH + ((y + 1) & 1)) * width, n),
                cells(rows, (BOTTOM + y - ya) * width, n), cells(rows, TOP * width, n),
                idx, idy, idz,
                cells(c1, at, n), cells(c, at, n), cells(c2, at, n), b, r, s,
            )  # fmt: skip


@numba.njit(**ROW)
def block3(
    part: Any, rows: Any, c2: Any, u: Any, v: Any, w: Any, c: Any, bottom: Any, top: Any,
    geometry: Any, third: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, xa, xb = part
    idx, idy, idz, kx, ky, kz = geometry
    n = xb - xa
    width = rows.shape[1]
    _, ny, nx = u.shape
    for z in range(za - 1, zb):
        for y in range(ya - 1, yb):
            at = (z * ny + y) * nx + xa
            if not faces(rows, c2, u, v, w, z, y, za, ya, yb, xa, xb, bottom, top, kx, ky, kz):
                continue
            if u.size > NEAR:
                row_to_write(c, at + ny * nx, n)
            update3(
                cells(rows, WEST * width, n + 1), cells(rows, (SOUTH + (y & 1)) * width, n),
                cells(rows, (SOUTH + ((y + 1) & 1)) * width, n),
                cells(rows, (BOTTOM + y - ya) * width, n), cells(rows, TOP * width, n),
                idx, idy, idz,
                cells(c, at, n), third,
            )  # fmt: skip


@numba.njit(parallel=True, **FLAGS)
def stage1(
    box: Any, c: Any, u: Any, v: Any, w: Any, c1: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, a: Any,
) -> None:  # fmt: skip
    real = c.dtype.type
    geometry = (real(idx), real(idy), real(idz), real(kx), real(ky), real(kz))
    a = real(a)
    counts = blocks(box, SIDES)
    for block in prange(counts[0] * counts[1] * counts[2]):
        here = part(box, block, counts, SIDES)
        rows = buffers(BOTTOM + ROWS, here[5] - here[4] + 1, c.dtype)
        block1(here, rows, c, u, v, w, c1, bottom, top, geometry, a)


@numba.njit(parallel=True, **FLAGS)
def stage2(
    box: Any, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    real = c.dtype.type
    geometry = (real(idx), real(idy), real(idz), real(kx), real(ky), real(kz))
    b, r, s = real(b), real(r), real(s)
    counts = blocks(box, SIDES)
    for block in prange(counts[0] * counts[1] * counts[2]):
        here = part(box, block, counts, SIDES)
        rows = buffers(BOTTOM + ROWS, here[5] - here[4] + 1, c.dtype)
        block2(here, rows, c1, u, v, w, c, c2, bottom, top, geometry, b, r, s)


@numba.njit(parallel=True, **FLAGS)
def stage3(
    box: Any, c2: Any, u: Any, v: Any, w: Any, c: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, third: Any,
) -> None:  # fmt: skip
    real = c.dtype.type
    geometry = (real(idx), real(idy), real(idz), real(kx), real(ky), real(kz))
    third = real(third)
    counts = blocks(box, SIDES)
    for block in prange(counts[0] * counts[1] * counts[2]):
        here = part(box, block, counts, SIDES)
        rows = buffers(BOTTOM + ROWS, here[5] - here[4] + 1, c.dtype)
        block3(here, rows, c2, u, v, w, c, bottom, top, geometry, third)


def specialize(single: int) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return {"stage1": stage1, "stage2": stage2, "stage3": stage3}
