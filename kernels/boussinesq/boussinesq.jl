"""
u* = a A + b B + g G(u) of Boussinesq flow on a C-grid with KernelAbstractions: fluxes through faces.

A work-item sweeps a block and keeps row buffers of each field's fluxes in x and y and a plane buffer
in z, so that every flux is computed once. Between two loops a row asks for what the same row of the
next plane will be the first to read and write. Where a work-item has a single cell, it computes all
of that cell's.
"""
module boussinesq

using KernelAbstractions
using ..JouliaKernels: OneCell, each_block, each_row, muladd, row_to_read, row_to_write

include("../_weno.jl")

const COLUMNS, ROWS, PLANES = 256, 8, 32
const BLOCK = (COLUMNS, ROWS, PLANES)
# Buffers, a row each: fluxes through west faces and the top; for each field those through south faces
# of even and odd rows, and through the bottom of each row of the block.
const WEST, TOP, SOUTH, BOTTOM = 1, 2, 3, 10
const BUFFERS = (COLUMNS + 8, BOTTOM + 4ROWS)

# ---- pointwise: a scheme is Val(:centred), Val(:weno5) or Val(:none) ---------------------------

const SCHEMES = (Val(:centred), Val(:weno5), Val(:none))
const X, Y, Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)
const NOWHERE = (0, 0, 0)

Base.@propagate_inbounds cell(q, at, jump, times) = q[(at .+ times .* jump)...]

"A velocity between its values here and `side` before."
Base.@propagate_inbounds middle(c::AbstractArray{T}, at, side) where {T} =
    T(0.5) * (cell(c, at, side, -1) + cell(c, at, side, 0))

"Through the face between a cell and the one a jump before it, with `R` cells on either side."
Base.@propagate_inbounds function through(::Val{:centred}, ::Val{R}, velocity::T, q, at, jump, k) where {R,T}
    before, after = cell(q, at, jump, -1), cell(q, at, jump, 0)
    return flux(velocity, T(0.5) * (before + after), before, after, k)
end

Base.@propagate_inbounds through(::Val{:none}, ::Val{R}, velocity, q, at, jump, k) where {R} =
    -k * (cell(q, at, jump, 0) - cell(q, at, jump, -1))

Base.@propagate_inbounds through(::Val{:weno5}, ::Val{3}, velocity, q, at, jump, k) =
    flux5(velocity, cell(q, at, jump, -3), cell(q, at, jump, -2), cell(q, at, jump, -1),
          cell(q, at, jump, 0), cell(q, at, jump, 1), cell(q, at, jump, 2), k)
Base.@propagate_inbounds through(::Val{:weno5}, ::Val{2}, velocity, q, at, jump, k) =
    flux3(velocity, cell(q, at, jump, -2), cell(q, at, jump, -1), cell(q, at, jump, 0),
          cell(q, at, jump, 1), k)
Base.@propagate_inbounds through(::Val{:weno5}, ::Val{1}, velocity, q, at, jump, k) =
    flux1(velocity, cell(q, at, jump, -1), cell(q, at, jump, 0), k)

"What flows into a cell less what flows out."
@inline inflow(west, east, south, north, under, top, idx, idy, idz) =
    muladd(under - top, idz, muladd(west - east, idx, (south - north) * idy))

# What else changes a field: the Coriolis force, buoyancy, stratification.
Base.@propagate_inbounds forced(::Val{1}, x, y, z, u::AbstractArray{T}, v, w, b, f, n2) where {T} =
    f * (T(0.25) * ((v[x-1, y, z] + v[x, y, z]) + (v[x-1, y+1, z] + v[x, y+1, z])))
Base.@propagate_inbounds forced(::Val{2}, x, y, z, u::AbstractArray{T}, v, w, b, f, n2) where {T} =
    -f * (T(0.25) * ((u[x, y-1, z] + u[x, y, z]) + (u[x+1, y-1, z] + u[x+1, y, z])))
Base.@propagate_inbounds forced(::Val{3}, x, y, z, u::AbstractArray{T}, v, w, b, f, n2) where {T} =
    T(0.5) * (b[x, y, z-1] + b[x, y, z])
Base.@propagate_inbounds forced(::Val{4}, x, y, z, u::AbstractArray{T}, v, w, b, f, n2) where {T} =
    -n2 * (T(0.5) * (w[x, y, z] + w[x, y, z+1]))

"Where the cell before lies between which a field has its values."
side(::Val{1}) = X
side(::Val{2}) = Y
side(::Val{3}) = Z
side(::Val{4}) = NOWHERE

@inline staged((first, second, gain), a, b, rate) =
    muladd(gain, rate, muladd(second, b, first * a))

"How many cells of a field lie between the bottom face of plane z and a wall, on the nearer side."
reach(field, z, (bottom, top)) = min(z - bottom, top - z + (field == Val(3)))

# ---- a work-item sweeps a block ----------------------------------------------------------------

@inline function row!(scheme, r, rows, row, n, west, y, z, q, c, side, jump, k)
    @inbounds @simd ivdep for i in 1:n
        at = (west + i, y, z)
        rows[i, row] = through(scheme, r, middle(c, at, side), q, at, jump, k)
    end
end

@inline function flux_row!(scheme, rows, row, n, west, y, z, q, c, side, jump, k, reach)
    if reach >= 3
        row!(scheme, Val(3), rows, row, n, west, y, z, q, c, side, jump, k)
    elseif reach == 2
        row!(scheme, Val(2), rows, row, n, west, y, z, q, c, side, jump, k)
    elseif reach == 1
        row!(scheme, Val(1), rows, row, n, west, y, z, q, c, side, jump, k)
    else
        @inbounds @simd ivdep for i in 1:n
            rows[i, row] = zero(eltype(rows))
        end
    end
end

# How many cells on either side of a face a scheme reads.
reads(_) = 1
reads(::Val{:weno5}) = 3

"What the same row of the next plane will be the first to read of a field, and of a stage's state."
@inline function ask(scheme, q, state, xs, ys, y, z)
    reach = reads(scheme)
    row_to_read(q, first(xs)-reach:last(xs)+reach, y, z + 1 + reach)
    row_to_read(state, xs, y, z + 1)
    for i in 1:reach
        y == first(ys) && row_to_read(q, xs, y - i, z + 1)
        y == last(ys) && row_to_read(q, xs, y + i, z + 1)
    end
end

@inline function field_row!(scheme, ::Val{F}, rows, xs, ys, y, z, now, a, b, new, walls, geometry,
                            diffusivity, f, n2, weights) where {F}
    idx, idy, idz = geometry
    u, v, w, t = now
    q, along = now[F], side(Val(F))
    west, n, y0 = first(xs) - 1, length(xs), first(ys)
    south, north = SOUTH + 2(F - 1) + mod(y, 2), SOUTH + 2(F - 1) + mod(y + 1, 2)
    under = BOTTOM + ROWS * (F - 1) + 1 + y - y0
    if y == y0
        flux_row!(scheme, rows, south, n, west, y, z, q, v, along, Y, diffusivity * idy, 3)
    end
    ask(scheme, q, a, xs, ys, y, z)
    flux_row!(scheme, rows, WEST, n + 1, west, y, z, q, u, along, X, diffusivity * idx, 3)
    flux_row!(scheme, rows, north, n, west, y + 1, z, q, v, along, Y, diffusivity * idy, 3)
    flux_row!(scheme, rows, TOP, n, west, y, z + 1, q, w, along, Z, diffusivity * idz,
              reach(Val(F), z + 1, walls))
    row_to_read(b, xs, y, z + 1)
    row_to_write(new, xs, y, z + 1)
    moves = !(F == 3 && z == walls[1])  # nothing accelerates w on a wall
    @inbounds @simd ivdep for i in 1:n
        rate = inflow(rows[i, WEST], rows[i+1, WEST], rows[i, south], rows[i, north],
                      rows[i, under], rows[i, TOP], idx, idy, idz)
        rate += forced(Val(F), west + i, y, z, u, v, w, t, f, n2)
        rows[i, under] = rows[i, TOP]
        at = (west + i, y, z)
        new[at...] = staged(weights, a[at...], b[at...], ifelse(moves, rate, zero(rate)))
    end
end

@inline function bottoms!(scheme, ::Val{F}, rows, xs, ys, z, now, walls, k) where {F}
    for y in ys
        flux_row!(scheme, rows, BOTTOM + ROWS * (F - 1) + 1 + y - first(ys), length(xs),
                  first(xs) - 1, y, z, now[F], now[3], side(Val(F)), Z, k, reach(Val(F), z, walls))
    end
end

function predict_block(xs, ys, zs, rows, _, scheme, now, as, bs, news, walls, geometry, nu, kappa, f,
                       n2, weights)
    kz, tz = nu * geometry[3], kappa * geometry[3]
    bottoms!(scheme, Val(1), rows, xs, ys, first(zs), now, walls, kz)
    bottoms!(scheme, Val(2), rows, xs, ys, first(zs), now, walls, kz)
    bottoms!(scheme, Val(3), rows, xs, ys, first(zs), now, walls, kz)
    bottoms!(scheme, Val(4), rows, xs, ys, first(zs), now, walls, tz)
    for z in zs, y in ys
        field_row!(scheme, Val(1), rows, xs, ys, y, z, now, as[1], bs[1], news[1], walls, geometry,
                   nu, f, n2, weights)
        field_row!(scheme, Val(2), rows, xs, ys, y, z, now, as[2], bs[2], news[2], walls, geometry,
                   nu, f, n2, weights)
        field_row!(scheme, Val(3), rows, xs, ys, y, z, now, as[3], bs[3], news[3], walls, geometry,
                   nu, f, n2, weights)
        field_row!(scheme, Val(4), rows, xs, ys, y, z, now, as[4], bs[4], news[4], walls, geometry,
                   kappa, f, n2, weights)
    end
end

# ---- a work-item has a cell --------------------------------------------------------------------

Base.@propagate_inbounds function face(scheme, q, c, at, side, jump, k, reach)
    velocity = middle(c, at, side)
    reach >= 3 && return through(scheme, Val(3), velocity, q, at, jump, k)
    reach == 2 && return through(scheme, Val(2), velocity, q, at, jump, k)
    reach == 1 && return through(scheme, Val(1), velocity, q, at, jump, k)
    return zero(velocity)
end

Base.@propagate_inbounds function rate_of(scheme, ::Val{F}, at, (u, v, w, b), walls, geometry,
                                          diffusivity, f, n2) where {F}
    F == 3 && at[3] == walls[1] && return zero(f)
    q, along = (u, v, w, b)[F], side(Val(F))
    idx, idy, idz = geometry
    kx, ky, kz = diffusivity .* geometry
    east, north, above = at .+ X, at .+ Y, at .+ Z
    inward = inflow(face(scheme, q, u, at, along, X, kx, 3), face(scheme, q, u, east, along, X, kx, 3),
                    face(scheme, q, v, at, along, Y, ky, 3), face(scheme, q, v, north, along, Y, ky, 3),
                    face(scheme, q, w, at, along, Z, kz, reach(Val(F), at[3], walls)),
                    face(scheme, q, w, above, along, Z, kz, reach(Val(F), above[3], walls)),
                    idx, idy, idz)
    return inward + forced(Val(F), at..., u, v, w, b, f, n2)
end

function predict_cell(xs, y, z, scheme, now, as, bs, news, walls, geometry, nu, kappa, f, n2, weights)
    for x in xs
        at = (x, y, z)
        @inbounds begin
            du = rate_of(scheme, Val(1), at, now, walls, geometry, nu, f, n2)
            dv = rate_of(scheme, Val(2), at, now, walls, geometry, nu, f, n2)
            dw = rate_of(scheme, Val(3), at, now, walls, geometry, nu, f, n2)
            db = rate_of(scheme, Val(4), at, now, walls, geometry, kappa, f, n2)
            news[1][at...] = staged(weights, as[1][at...], bs[1][at...], du)
            news[2][at...] = staged(weights, as[2][at...], bs[2][at...], dv)
            news[3][at...] = staged(weights, as[3][at...], bs[3][at...], dw)
            news[4][at...] = staged(weights, as[4][at...], bs[4][at...], db)
        end
    end
end

# ---- functions ---------------------------------------------------------------------------------

struct Predict{S}
    scheme::S
end

function (p::Predict)(backend, box, u, v, w, b, ua, va, wa, ba, ub, vb, wb, bb, u1, v1, w1, b1, bottom,
                      top, idx, idy, idz, nu, kappa, f, n2, first, second, gain)
    args = (p.scheme, (u, v, w, b), (ua, va, wa, ba), (ub, vb, wb, bb), (u1, v1, w1, b1),
            (bottom + 1, top + 1), (idx, idy, idz), nu, kappa, f, n2, (first, second, gain))
    return predict(backend, box, u, args...)
end

predict(backend, box, u, args...) =
    each_block(predict_block, backend, box, BLOCK, BUFFERS, u, args...)
predict(device::OneCell, box, _, args...) = each_row(predict_cell, device, box, args...)

function divergence_row(xs, y, z, u, v, w, rhs, sx, sy, sz)
    @inbounds @simd ivdep for x in xs
        flat = muladd(v[x, y+1, z] - v[x, y, z], sy, (w[x, y, z+1] - w[x, y, z]) * sz)
        rhs[x, y, z] = muladd(u[x+1, y, z] - u[x, y, z], sx, flat)
    end
end

function project_row(xs, y, z, p, u, v, w, bottom, gx, gy, gz)
    @inbounds @simd ivdep for x in xs
        here = p[x, y, z]
        u[x, y, z] = muladd(-gx, here - p[x-1, y, z], u[x, y, z])
        v[x, y, z] = muladd(-gy, here - p[x, y-1, z], v[x, y, z])
    end
    z == bottom + 1 && return nothing
    @inbounds @simd ivdep for x in xs
        w[x, y, z] = muladd(-gz, p[x, y, z] - p[x, y, z-1], w[x, y, z])
    end
    return nothing
end

divergence(backend, box, args...) = each_row(divergence_row, backend, box, args...)
project(backend, box, args...) = each_row(project_row, backend, box, args...)

"The precision is that of the arrays."
specialize(; single, advection) =
    (; predict = Predict(SCHEMES[advection+1]), divergence, project)

end
