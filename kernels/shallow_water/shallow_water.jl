"""
shallow_water with KernelAbstractions: a work-item goes up a block of rows and keeps what
neighbouring rows share (fluxes, potential vorticity, the Bernoulli function) in row buffers, so that
each is computed once.
"""
module shallow_water

using ..JouliaKernels: each_block

# Row buffers: V, U, q and B of the rows of either parity, each COLUMNS + 1 long.
const ROWS, COLUMNS = 32, 2048

"U and B of row y, V and q of row y + 1; V and B begin one cell west of U and q."
@inline function advance(rows, y, first_x, n, u, v, h, f, g, idx, idy)
    T = eltype(u)
    here_rows, above_rows = mod(y, 2) + 1, mod(y + 1, 2) + 1
    west = first_x - 2
    @inbounds @simd ivdep for i in 1:n+1
        x = west + i
        here = h[x, y] + h[x+1, y]
        above = h[x, y+1] + h[x+1, y+1]
        rows[i, 1, above_rows] = T(0.5) * (h[x, y] + h[x, y+1]) * v[x, y+1]
        rows[i, 2, here_rows] = T(0.5) * here * u[x+1, y]
        squares = muladd(u[x, y], u[x, y], u[x+1, y] * u[x+1, y]) +
                  muladd(v[x, y], v[x, y], v[x, y+1] * v[x, y+1])
        rows[i, 4, here_rows] = muladd(g, h[x, y], T(0.25) * squares)
        vorticity = muladd(v[x+1, y+1] - v[x, y+1], idx, -(u[x+1, y+1] - u[x+1, y]) * idy)
        rows[i, 3, above_rows] = (f + vorticity) / (T(0.25) * (here + above))
    end
end

"The rates of cell i of a row: from its own buffers, V and q of row y + 1, U and B of row y - 1."
@inline function rates(rows, i, own, other, idx, idy)
    T = eltype(rows)
    @inbounds begin
        V0, V1 = rows[i, 1, own], rows[i+1, 1, own]
        U0, U1 = rows[i, 2, own], rows[i+1, 2, own]
        q0, q1 = rows[i, 3, own], rows[i+1, 3, own]
        B0, B1 = rows[i, 4, own], rows[i+1, 4, own]
        N0, N1 = rows[i, 1, other], rows[i+1, 1, other]
        S0, S1 = rows[i, 2, other], rows[i+1, 2, other]
        turning_u = muladd(q0, V0 + V1, rows[i, 3, other] * (N0 + N1))
        turning_v = muladd(q0, S0 + U0, q1 * (S1 + U1))
        du = muladd(T(0.25), turning_u, -(B1 - B0) * idx)
        dv = muladd(T(-0.25), turning_v, -(B1 - rows[i+1, 4, other]) * idy)
        dh = muladd(U0 - U1, idx, (V1 - N1) * idy)
        return du, dv, dh
    end
end

"""
Go up the rows `ys` of a block, and `update(x, y, rates, args...)` each of its cells. `args` are not
captured in a closure: LLVM would load the arrays from it in every cell, and find no vectors.
"""
@inline function sweep(update::F, xs, ys, rows, state, geometry, args) where {F}
    n, x0 = length(xs), first(xs)
    idx, idy = geometry[3], geometry[4]
    advance(rows, first(ys) - 1, x0, n, state..., geometry...)
    for y in ys
        advance(rows, y, x0, n, state..., geometry...)
        own, other = mod(y, 2) + 1, mod(y + 1, 2) + 1
        @inbounds @simd ivdep for i in 1:n
            update(x0 - 1 + i, y, rates(rows, i, own, other, idx, idy), args...)
        end
    end
end

@inline function first_update(x, y, rate, u, v, h, u1, v1, h1, a)
    @inbounds begin
        u1[x, y] = muladd(a, rate[1], u[x, y])
        v1[x, y] = muladd(a, rate[2], v[x, y])
        h1[x, y] = muladd(a, rate[3], h[x, y])
    end
end

@inline function second_update(x, y, rate, u1, v1, h1, u, v, h, u2, v2, h2, b, r, s)
    @inbounds begin
        un = u1[x, y] + muladd(b, rate[1], r * (u1[x, y] - u[x, y]))
        vn = v1[x, y] + muladd(b, rate[2], r * (v1[x, y] - v[x, y]))
        hn = h1[x, y] + muladd(b, rate[3], r * (h1[x, y] - h[x, y]))
        u2[x, y], v2[x, y], h2[x, y] = un, vn, hn
        u[x, y] = muladd(s, rate[1], un)
        v[x, y] = muladd(s, rate[2], vn)
        h[x, y] = muladd(s, rate[3], hn)
    end
end

@inline function third_update(x, y, rate, u, v, h, c)
    @inbounds begin
        u[x, y] = muladd(c, rate[1], u[x, y])
        v[x, y] = muladd(c, rate[2], v[x, y])
        h[x, y] = muladd(c, rate[3], h[x, y])
    end
end

first_block(xs, ys, rows, u, v, h, u1, v1, h1, f, g, idx, idy, a) =
    sweep(first_update, xs, ys, rows, (u, v, h), (f, g, idx, idy), (u, v, h, u1, v1, h1, a))
second_block(xs, ys, rows, u1, v1, h1, u, v, h, u2, v2, h2, f, g, idx, idy, b, r, s) =
    sweep(second_update, xs, ys, rows, (u1, v1, h1), (f, g, idx, idy),
          (u1, v1, h1, u, v, h, u2, v2, h2, b, r, s))
third_block(xs, ys, rows, u2, v2, h2, u, v, h, f, g, idx, idy, c) =
    sweep(third_update, xs, ys, rows, (u2, v2, h2), (f, g, idx, idy), (u, v, h, c))

const BLOCK = (COLUMNS, ROWS)
const BUFFERS = (COLUMNS + 8, 4, 2)

stage1(backend, box, u, v, h, u1, v1, h1, constants...) =
    each_block(first_block, backend, box, BLOCK, BUFFERS, u, v, h, u1, v1, h1, constants...)
stage2(backend, box, u1, v1, h1, u, v, h, u2, v2, h2, constants...) = each_block(
    second_block, backend, box, BLOCK, BUFFERS, u1, v1, h1, u, v, h, u2, v2, h2, constants...)
stage3(backend, box, u2, v2, h2, u, v, h, constants...) =
    each_block(third_block, backend, box, BLOCK, BUFFERS, u2, v2, h2, u, v, h, constants...)

end
