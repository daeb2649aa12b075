"""
tracer with KernelAbstractions: a work-item sweeps a block and keeps its row buffers of fluxes in x
and y and a plane buffer in z, so that every face is computed once.
"""
module tracer

using KernelAbstractions

using ..JouliaKernels: OneCell, each_block

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

@inline update1(x, y, z, rate, c, c1, a) = @inbounds c1[x, y, z] = muladd(a, rate, c[x, y, z])

@inline function update2(x, y, z, rate, c1, c, c2, b, r, s)
    @inbounds begin
        one = c1[x, y, z]
        result = one + muladd(b, rate, r * (one - c[x, y, z]))
        c2[x, y, z] = result
        c[x, y, z] = muladd(s, rate, result)
    end
end

@inline update3(x, y, z, rate, c, third) =
    @inbounds c[x, y, z] = muladd(third, rate, c[x, y, z])

@inline function block1(xs, ys, zs, rows, c, u, v, w, c1, walls, geometry, a)
    sweep(xs, ys, zs, rows, c, u, v, w, walls, geometry) do x, y, z, rate
        update1(x, y, z, rate, c, c1, a)
    end
end

@inline function block2(xs, ys, zs, rows, c1, u, v, w, c, c2, walls, geometry, b, r, s)
    sweep(xs, ys, zs, rows, c1, u, v, w, walls, geometry) do x, y, z, rate
        update2(x, y, z, rate, c1, c, c2, b, r, s)
    end
end

@inline function block3(xs, ys, zs, rows, c2, u, v, w, c, walls, geometry, third)
    sweep(xs, ys, zs, rows, c2, u, v, w, walls, geometry) do x, y, z, rate
        update3(x, y, z, rate, c, third)
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

# On a GPU a group of work-items computes a tile of cells: first the fluxes through all of its west,
# south and bottom faces, and those that close it in the east, north and top, one after the other to
# whichever work-item is next; then the cells. About 3.8 fluxes a cell, where three are the least.

const TX, TY, TZ = 32, 4, 2
const ITEMS = TX * TY * TZ
const WESTS, SOUTHS, BOTTOMS = (TX + 1) * TY * TZ, TX * (TY + 1) * TZ, TX * TY * (TZ + 1)
const FACES = WESTS + SOUTHS + BOTTOMS

"Where in the tile the places of a block of faces `nx` x `ny` x ... lie, from zero."
@inline place(n, nx, ny) = (n % nx, n ÷ nx % ny, n ÷ (nx * ny))

"""
The flux through face `n` of the tile whose first cell is `low`; 0 where no cell of the box up to `high`
needs it. One call for the faces of all directions: the same face, the same bits.
"""
@inline function tile_flux(n, low, high, c, (u, v, w), (bottom, top), (kx, ky, kz))
    if n < WESTS
        d, at = 1, place(n, TX + 1, TY)
    elseif n < WESTS + SOUTHS
        d, at = 2, place(n - WESTS, TX, TY + 1)
    else
        d, at = 3, place(n - WESTS - SOUTHS, TX, TY)
    end
    x, y, z = low .+ at
    inside = x <= high[1] + (d == 1) && y <= high[2] + (d == 2) && z <= high[3] + (d == 3)
    inside || return zero(eltype(c))
    stride = d == 1 ? 1 : d == 2 ? size(c, 1) : size(c, 1) * size(c, 2)
    i = x + size(c, 1) * (y - 1 + size(c, 2) * (z - 1))
    @inbounds begin
        speed = d == 1 ? u[i] : d == 2 ? v[i] : w[i]
        k = d == 1 ? kx : d == 2 ? ky : kz
        reach = d == 3 ? min(z - bottom, top - z) : 3
        if reach >= 3
            return flux5(speed, c[i-3stride], c[i-2stride], c[i-stride], c[i], c[i+stride],
                         c[i+2stride], k)
        elseif reach == 2
            return flux3(speed, c[i-2stride], c[i-stride], c[i], c[i+stride], k)
        elseif reach == 1
            return flux1(speed, c[i-stride], c[i], k)
        end
        return zero(eltype(c))
    end
end

@kernel function tiles!(update, c, velocity, first_cell, last_cell, walls, diffusion, inverse, args)
    item = @index(Local, Linear)
    group = @index(Group, NTuple)
    faces = @localmem eltype(c) (FACES,)
    first_of_tile = first_cell .+ (group .- 1) .* (TX, TY, TZ)
    n = item - 1
    while n < FACES
        @inbounds faces[n+1] =
            tile_flux(n, first_of_tile, last_cell, c, velocity, walls, diffusion)
        n += ITEMS
    end
    @synchronize
    one = @index(Local, Linear)
    tile = @index(Group, NTuple)
    i, j, k = place(one - 1, TX, TY)
    x, y, z = first_cell .+ (tile .- 1) .* (TX, TY, TZ) .+ (i, j, k)
    if x <= last_cell[1] && y <= last_cell[2] && z <= last_cell[3]
        west = i + (TX + 1) * (j + TY * k) + 1
        south = WESTS + i + TX * (j + (TY + 1) * k) + 1
        under = WESTS + SOUTHS + i + TX * (j + TY * k) + 1
        @inbounds begin
            rate = muladd(faces[west] - faces[west+1], inverse[1],
                          muladd(faces[south] - faces[south+TX], inverse[2],
                                 (faces[under] - faces[under+TX*TY]) * inverse[3]))
        end
        update(x, y, z, rate, args...)
    end
end

function each_tile(update::F, on::OneCell, box, c, velocity, walls, geometry, args...) where {F}
    z0, z1, y0, y1, x0, x1 = box
    (x1 <= x0 || y1 <= y0 || z1 <= z0) && return nothing
    tiles = cld.((x1 - x0, y1 - y0, z1 - z0), (TX, TY, TZ))
    tiles!(on.backend, (TX, TY, TZ))(
        update, c, velocity, (x0, y0, z0) .+ 1, (x1, y1, z1), walls .+ 1, geometry[4:6],
        geometry[1:3], args; ndrange = tiles .* (TX, TY, TZ))
    return nothing
end

stage1(on::OneCell, box, c, u, v, w, c1, bottom, top, idx, idy, idz, kx, ky, kz, a) =
    each_tile(update1, on, box, c, (u, v, w), (bottom, top), (idx, idy, idz, kx, ky, kz), c, c1, a)
stage2(on::OneCell, box, c1, u, v, w, c, c2, bottom, top, idx, idy, idz, kx, ky, kz, b, r, s) =
    each_tile(update2, on, box, c1, (u, v, w), (bottom, top), (idx, idy, idz, kx, ky, kz), c1, c, c2,
              b, r, s)
stage3(on::OneCell, box, c2, u, v, w, c, bottom, top, idx, idy, idz, kx, ky, kz, third) =
    each_tile(update3, on, box, c2, (u, v, w), (bottom, top), (idx, idy, idz, kx, ky, kz), c, third)

"The precision is that of the arrays."
specialize(; constants...) = (; stage1, stage2, stage3)

end
