"""
Rotating shallow water with KernelAbstractions: du/dt = q V - dB/dx, dv/dt = -q U - dB/dy,
dh/dt = -div(U, V) with U, V = h u, h v, q = (f + dv/dx - du/dy) / h, B = (u^2 + v^2) / 2 + g h.

A work-item goes up a block of rows and keeps what neighbouring rows share (fluxes, potential
vorticity, the Bernoulli function) in row buffers, so that each is computed once. Where a work-item
has a single cell, it computes all that its cell needs.
"""
module shallow_water

using ..JouliaKernels: OneCell, each_block, each_row, muladd

# Row buffers: V, U, q and B of the rows of either parity, each COLUMNS + 1 long.
const ROWS, COLUMNS = 32, 2048

# On the C-grid, x and y being a cell's indices: U and V are the fluxes through its west and south
# faces, q the potential vorticity at its south-west corner, B the Bernoulli function at its centre.

Base.@propagate_inbounds flux_u(u, h, x, y) = eltype(u)(0.5) * (h[x-1, y] + h[x, y]) * u[x, y]

Base.@propagate_inbounds flux_v(v, h, x, y) = eltype(v)(0.5) * (h[x, y-1] + h[x, y]) * v[x, y]

Base.@propagate_inbounds function vorticity(u, v, h, f, idx, idy, x, y)
    curl = muladd(v[x, y] - v[x-1, y], idx, -(u[x, y] - u[x, y-1]) * idy)
    depths = (h[x-1, y-1] + h[x, y-1]) + (h[x-1, y] + h[x, y])
    return (f + curl) / (eltype(u)(0.25) * depths)
end

Base.@propagate_inbounds function bernoulli(u, v, h, g, x, y)
    squares = muladd(u[x, y], u[x, y], u[x+1, y] * u[x+1, y]) +
              muladd(v[x, y], v[x, y], v[x, y+1] * v[x, y+1])
    return muladd(g, h[x, y], eltype(u)(0.25) * squares)
end

"du, dv and dh of a cell from values at its west and east side and of the rows north and south."
@inline function rates(V_west, V, U, U_east, q, q_east, B_west, B, north, south, idx, idy)
    V_north_west, V_north, q_north = north
    U_south, U_south_east, B_south = south
    T = typeof(V)
    turning_u = muladd(q, V_west + V, q_north * (V_north_west + V_north))
    turning_v = muladd(q, U_south + U, q_east * (U_south_east + U_east))
    du = muladd(T(0.25), turning_u, -(B - B_west) * idx)
    dv = muladd(T(-0.25), turning_v, -(B - B_south) * idy)
    dh = muladd(U - U_east, idx, (V - V_north) * idy)
    return du, dv, dh
end

"U and B of row y, V and q of row y + 1; V and B begin one cell west of U and q."
@inline function advance(rows, y, first_x, n, u, v, h, f, g, idx, idy)
    here_rows, above_rows = mod(y, 2) + 1, mod(y + 1, 2) + 1
    west = first_x - 2
    @inbounds @simd ivdep for i in 1:n+1
        x = west + i
        rows[i, 1, above_rows] = flux_v(v, h, x, y + 1)
        rows[i, 2, here_rows] = flux_u(u, h, x + 1, y)
        rows[i, 3, above_rows] = vorticity(u, v, h, f, idx, idy, x + 1, y + 1)
        rows[i, 4, here_rows] = bernoulli(u, v, h, g, x, y)
    end
end

"The rates of cell i of a row: from its own buffers, V and q of row y + 1, U and B of row y - 1."
@inline function buffered(rows, i, own, other, idx, idy)
    @inbounds begin
        north = (rows[i, 1, other], rows[i+1, 1, other], rows[i, 3, other])
        south = (rows[i, 2, other], rows[i+1, 2, other], rows[i+1, 4, other])
        return rates(rows[i, 1, own], rows[i+1, 1, own], rows[i, 2, own], rows[i+1, 2, own],
                     rows[i, 3, own], rows[i+1, 3, own], rows[i, 4, own], rows[i+1, 4, own],
                     north, south, idx, idy)
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
            update(x0 - 1 + i, y, buffered(rows, i, own, other, idx, idy), args...)
        end
    end
end

"`update` cells without buffers."
@inline function alone(update::F, xs, y, state, geometry, args) where {F}
    u, v, h = state
    f, g, idx, idy = geometry
    for x in xs
        @inbounds begin
            north = (flux_v(v, h, x - 1, y + 1), flux_v(v, h, x, y + 1),
                     vorticity(u, v, h, f, idx, idy, x, y + 1))
            south = (flux_u(u, h, x, y - 1), flux_u(u, h, x + 1, y - 1),
                     bernoulli(u, v, h, g, x, y - 1))
            rate = rates(flux_v(v, h, x - 1, y), flux_v(v, h, x, y),
                         flux_u(u, h, x, y), flux_u(u, h, x + 1, y),
                         vorticity(u, v, h, f, idx, idy, x, y),
                         vorticity(u, v, h, f, idx, idy, x + 1, y),
                         bernoulli(u, v, h, g, x - 1, y), bernoulli(u, v, h, g, x, y),
                         north, south, idx, idy)
        end
        update(x, y, rate, args...)
    end
end

@inline function first_update(x, y, rate, u, v, h, u1, v1, h1, first)
    @inbounds begin
        u1[x, y] = muladd(first, rate[1], u[x, y])
        v1[x, y] = muladd(first, rate[2], v[x, y])
        h1[x, y] = muladd(first, rate[3], h[x, y])
    end
end

@inline function second_update(x, y, rate, u1, v1, h1, u, v, h, u2, v2, h2, second, weight, ahead)
    @inbounds begin
        u_new = u1[x, y] + muladd(second, rate[1], weight * (u1[x, y] - u[x, y]))
        v_new = v1[x, y] + muladd(second, rate[2], weight * (v1[x, y] - v[x, y]))
        h_new = h1[x, y] + muladd(second, rate[3], weight * (h1[x, y] - h[x, y]))
        u2[x, y], v2[x, y], h2[x, y] = u_new, v_new, h_new
        u[x, y] = muladd(ahead, rate[1], u_new)
        v[x, y] = muladd(ahead, rate[2], v_new)
        h[x, y] = muladd(ahead, rate[3], h_new)
    end
end

@inline function third_update(x, y, rate, u, v, h, third)
    @inbounds begin
        u[x, y] = muladd(third, rate[1], u[x, y])
        v[x, y] = muladd(third, rate[2], v[x, y])
        h[x, y] = muladd(third, rate[3], h[x, y])
    end
end

# A sweep with buffers is given (xs, ys, rows), one without (xs, y).

first_block(xs, ys, rows, u, v, h, u1, v1, h1, f, g, idx, idy, first) =
    sweep(first_update, xs, ys, rows, (u, v, h), (f, g, idx, idy), (u, v, h, u1, v1, h1, first))
second_block(xs, ys, rows, u1, v1, h1, u, v, h, u2, v2, h2, f, g, idx, idy, second, weight, ahead) =
    sweep(second_update, xs, ys, rows, (u1, v1, h1), (f, g, idx, idy),
          (u1, v1, h1, u, v, h, u2, v2, h2, second, weight, ahead))
third_block(xs, ys, rows, u2, v2, h2, u, v, h, f, g, idx, idy, third) =
    sweep(third_update, xs, ys, rows, (u2, v2, h2), (f, g, idx, idy), (u, v, h, third))

@inline first_cell(xs, y, u, v, h, u1, v1, h1, f, g, idx, idy, first) =
    alone(first_update, xs, y, (u, v, h), (f, g, idx, idy), (u, v, h, u1, v1, h1, first))
@inline second_cell(xs, y, u1, v1, h1, u, v, h, u2, v2, h2, f, g, idx, idy, second, weight, ahead) =
    alone(second_update, xs, y, (u1, v1, h1), (f, g, idx, idy),
          (u1, v1, h1, u, v, h, u2, v2, h2, second, weight, ahead))
@inline third_cell(xs, y, u2, v2, h2, u, v, h, f, g, idx, idy, third) =
    alone(third_update, xs, y, (u2, v2, h2), (f, g, idx, idy), (u, v, h, third))

const BLOCK = (COLUMNS, ROWS)
const BUFFERS = (COLUMNS + 8, 4, 2)

stage1(backend, box, args::Vararg{Any,M}) where {M} =
    each_block(first_block, backend, box, BLOCK, BUFFERS, args...)
stage2(backend, box, args::Vararg{Any,M}) where {M} =
    each_block(second_block, backend, box, BLOCK, BUFFERS, args...)
stage3(backend, box, args::Vararg{Any,M}) where {M} =
    each_block(third_block, backend, box, BLOCK, BUFFERS, args...)

stage1(device::OneCell, box, args::Vararg{Any,M}) where {M} =
    each_row(first_cell, device, box, args...)
stage2(device::OneCell, box, args::Vararg{Any,M}) where {M} =
    each_row(second_cell, device, box, args...)
stage3(device::OneCell, box, args::Vararg{Any,M}) where {M} =
    each_row(third_cell, device, box, args...)

end
