"""
tracer with KernelAbstractions: a work-item sweeps a block and keeps its row buffers of fluxes in x
and y and a plane buffer in z, so that every face is computed once.
"""
module tracer

using ..JouliaKernels: each_block

const COLUMNS, ROWS, PLANES = 512, 16, 32
const BLOCK = (COLUMNS, ROWS, PLANES)
# Buffers, a row each: fluxes through west faces, south faces of even and odd rows, the top, and
# after BOTTOM, through the bottom of each row of the block.
const WEST, SOUTH, TOP, BOTTOM = 1, 2, 4, 4
const BUFFERS = (COLUMNS + 8, BOTTOM + ROWS)

"""
The weights of WENO5-Z over one denominator: alpha_k ~ C_k (e_k + tau^2) prod_{j != k} e_j with
e_k = (beta_k + eps)^2, everything times 4.
"""
@inline function weights(beta0::Float64, beta1::Float64, beta2::Float64)
    tau = beta0 - beta2
    tau2 = tau * tau
    f0, f1, f2 = beta0 + 4e-8, beta1 + 4e-8, beta2 + 4e-8
    e0, e1, e2 = f0 * f0, f1 * f1, f2 * f2
    return 3.0 * (e0 + tau2) * (e1 * e2), 6.0 * (e1 + tau2) * (e0 * e2), (e2 + tau2) * (e0 * e1)
end

"With a division each: those products would underflow."
@inline function weights(beta0::Float32, beta1::Float32, beta2::Float32)
    tau = abs(beta0 - beta2)
    r0, r1, r2 = tau / (beta0 + 4f-8), tau / (beta1 + 4f-8), tau / (beta2 + 4f-8)
    return muladd(3f0, r0 * r0, 3f0), muladd(6f0, r1 * r1, 6f0), muladd(r2, r2, 1f0)
end

@inline beta(s::T, t::T) where {T} = muladd(T(13), s * s, T(3) * (t * t))

"The flux through the face between r and s; p to u are six cells in a line."
@inline function flux5(vel::T, p::T, q::T, r::T, s::T, t::T, u::T, k::T) where {T}
    forward = vel > zero(T)
    c = ifelse(forward, r, s)
    a = ifelse(forward, p, u) - c
    b = ifelse(forward, q, t) - c
    d = ifelse(forward, s, r) - c
    e = ifelse(forward, t, q) - c
    w0, w1, w2 = weights(beta(muladd(T(-2), d, e), muladd(T(-4), d, e)),
                         beta(b + d, b - d),
                         beta(muladd(T(-2), b, a), muladd(T(-4), b, a)))
    parts = muladd(w0, muladd(T(5), d, -e),
                   muladd(w1, muladd(T(2), d, -b), w2 * muladd(T(2), a, T(-7) * b)))
    value = c + parts / (T(6) * (w0 + w1 + w2))
    return muladd(vel, value, -k * (s - r))
end

"Two cells away from a wall: WENO of third order."
@inline function flux3(vel::T, q::T, r::T, s::T, t::T, k::T) where {T}
    forward = vel > zero(T)
    c = ifelse(forward, r, s)
    b = ifelse(forward, q, t) - c
    d = ifelse(forward, s, r) - c
    tau = abs(d * d - b * b)
    r0, r1 = tau / (d * d + T(1e-8)), tau / (b * b + T(1e-8))
    w0, w1 = muladd(T(2), r0 * r0, T(2)), muladd(r1, r1, T(1))
    value = c + muladd(w0, d, -w1 * b) / (T(2) * (w0 + w1))
    return muladd(vel, value, -k * (s - r))
end

"One cell away from a wall: upwind."
@inline flux1(vel::T, r::T, s::T, k::T) where {T} =
    muladd(vel, ifelse(vel > zero(T), r, s), -k * (s - r))

@inline function faces_x(rows, xs, y, z, c, u, k)
    west = first(xs) - 1
    @inbounds @simd ivdep for i in 1:length(xs)+1
        x = west + i
        rows[i, WEST] = flux5(u[x, y, z], c[x-3, y, z], c[x-2, y, z], c[x-1, y, z], c[x, y, z],
                              c[x+1, y, z], c[x+2, y, z], k)
    end
end

@inline function faces_y(rows, row, xs, y, z, c, v, k)
    west = first(xs) - 1
    @inbounds @simd ivdep for i in 1:length(xs)
        x = west + i
        rows[i, row] = flux5(v[x, y, z], c[x, y-3, z], c[x, y-2, z], c[x, y-1, z], c[x, y, z],
                             c[x, y+1, z], c[x, y+2, z], k)
    end
end

@inline function faces_z(rows, row, xs, y, z, c, w, bottom, top, k)
    west = first(xs) - 1
    n = length(xs)
    reach = min(z - bottom, top - z)
    if reach >= 3
        @inbounds @simd ivdep for i in 1:n
            x = west + i
            rows[i, row] = flux5(w[x, y, z], c[x, y, z-3], c[x, y, z-2], c[x, y, z-1], c[x, y, z],
                                 c[x, y, z+1], c[x, y, z+2], k)
        end
    elseif reach == 2
        @inbounds @simd ivdep for i in 1:n
            x = west + i
            rows[i, row] = flux3(w[x, y, z], c[x, y, z-2], c[x, y, z-1], c[x, y, z], c[x, y, z+1], k)
        end
    elseif reach == 1
        @inbounds @simd ivdep for i in 1:n
            x = west + i
            rows[i, row] = flux1(w[x, y, z], c[x, y, z-1], c[x, y, z], k)
        end
    else
        @inbounds @simd ivdep for i in 1:n
            rows[i, row] = zero(eltype(rows))
        end
    end
end

"Sweep a block in z and y, and `update(x, y, z, tendency)` each of its cells."
@inline function sweep(update::F, xs, ys, zs, rows, c, u, v, w, walls, geometry) where {F}
    idx, idy, idz, kx, ky, kz = geometry
    bottom, top = walls .+ 1
    west, y0 = first(xs) - 1, first(ys)
    for y in ys
        faces_z(rows, BOTTOM + 1 + y - y0, xs, y, first(zs), c, w, bottom, top, kz)
    end
    for z in zs
        faces_y(rows, SOUTH + mod(y0, 2), xs, y0, z, c, v, ky)
        for y in ys
            south, north = SOUTH + mod(y, 2), SOUTH + mod(y + 1, 2)
            under = BOTTOM + 1 + y - y0
            faces_x(rows, xs, y, z, c, u, kx)
            faces_y(rows, north, xs, y + 1, z, c, v, ky)
            faces_z(rows, TOP, xs, y, z + 1, c, w, bottom, top, kz)
            @inbounds @simd ivdep for i in 1:length(xs)
                rate = muladd(rows[i, WEST] - rows[i+1, WEST], idx,
                              muladd(rows[i, south] - rows[i, north], idy,
                                     (rows[i, under] - rows[i, TOP]) * idz))
                rows[i, under] = rows[i, TOP]
                update(west + i, y, z, rate)
            end
        end
    end
end

@inline function block1(xs, ys, zs, rows, c, u, v, w, c1, walls, geometry, a)
    sweep(xs, ys, zs, rows, c, u, v, w, walls, geometry) do x, y, z, rate
        @inbounds c1[x, y, z] = muladd(a, rate, c[x, y, z])
    end
end

@inline function block2(xs, ys, zs, rows, c1, u, v, w, c, c2, walls, geometry, b, r, s)
    sweep(xs, ys, zs, rows, c1, u, v, w, walls, geometry) do x, y, z, rate
        @inbounds begin
            one = c1[x, y, z]
            result = one + muladd(b, rate, r * (one - c[x, y, z]))
            c2[x, y, z] = result
            c[x, y, z] = muladd(s, rate, result)
        end
    end
end

@inline function block3(xs, ys, zs, rows, c2, u, v, w, c, walls, geometry, third)
    sweep(xs, ys, zs, rows, c2, u, v, w, walls, geometry) do x, y, z, rate
        @inbounds c[x, y, z] = muladd(third, rate, c[x, y, z])
    end
end

stage1(backend, box, c, u, v, w, c1, bottom, top, idx, idy, idz, kx, ky, kz, a) =
    each_block(block1, backend, box, BLOCK, BUFFERS, c, u, v, w, c1, (bottom, top),
               (idx, idy, idz, kx, ky, kz), a)
stage2(backend, box, c1, u, v, w, c, c2, bottom, top, idx, idy, idz, kx, ky, kz, b, r, s) =
    each_block(block2, backend, box, BLOCK, BUFFERS, c1, u, v, w, c, c2, (bottom, top),
               (idx, idy, idz, kx, ky, kz), b, r, s)
stage3(backend, box, c2, u, v, w, c, bottom, top, idx, idy, idz, kx, ky, kz, third) =
    each_block(block3, backend, box, BLOCK, BUFFERS, c2, u, v, w, c, (bottom, top),
               (idx, idy, idz, kx, ky, kz), third)

"The precision is that of the arrays."
specialize(; constants...) = (; stage1, stage2, stage3)

end
