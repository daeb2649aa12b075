"""
dc/dt = -div(v c) + kappa lap(c) with KernelAbstractions: WENO5-Z fluxes through faces.

A work-item sweeps a block and keeps its row buffers of fluxes in x and y and a plane buffer in z,
so that every face is computed once. Between two loops a row asks for what the same row of the next
plane will be the first to read and write. Where a work-item has a single cell, those of a tile
share their fluxes.
"""
module tracer

using KernelAbstractions
using ..JouliaKernels: OneCell, corners, each_block, muladd, row_to_read, row_to_write

const COLUMNS, ROWS, PLANES = 512, 16, 32
const BLOCK = (COLUMNS, ROWS, PLANES)
# Buffers, a row each: fluxes through west faces, south faces of even and odd rows, the top, and
# after BOTTOM, through the bottom of each row of the block.
const WEST, SOUTH, TOP, BOTTOM = 1, 2, 4, 4
const BUFFERS = (COLUMNS + 8, BOTTOM + ROWS)

include("../_weno.jl")

# The fluxes through the west, the south and the bottom face of a cell; through the bottom, away from
# walls and two cells or one cell away from one.

Base.@propagate_inbounds flux_x(x, y, z, c, u, k) =
    flux5(u[x, y, z], c[x-3, y, z], c[x-2, y, z], c[x-1, y, z], c[x, y, z], c[x+1, y, z],
          c[x+2, y, z], k)

Base.@propagate_inbounds flux_y(x, y, z, c, v, k) =
    flux5(v[x, y, z], c[x, y-3, z], c[x, y-2, z], c[x, y-1, z], c[x, y, z], c[x, y+1, z],
          c[x, y+2, z], k)

Base.@propagate_inbounds flux_z5(x, y, z, c, w, k) =
    flux5(w[x, y, z], c[x, y, z-3], c[x, y, z-2], c[x, y, z-1], c[x, y, z], c[x, y, z+1],
          c[x, y, z+2], k)

Base.@propagate_inbounds flux_z3(x, y, z, c, w, k) =
    flux3(w[x, y, z], c[x, y, z-2], c[x, y, z-1], c[x, y, z], c[x, y, z+1], k)

Base.@propagate_inbounds flux_z1(x, y, z, c, w, k) =
    flux1(w[x, y, z], c[x, y, z-1], c[x, y, z], k)

"The rate of change of a cell from the fluxes through its faces."
@inline rate_of(west, east, south, north, under, top, idx, idy, idz) =
    muladd(west - east, idx, muladd(south - north, idy, (under - top) * idz))

# ---- a work-item sweeps a block ----------------------------------------------------------------

@inline function faces_x(rows, xs, y, z, c, u, k)
    west = first(xs) - 1
    @inbounds @simd ivdep for i in 1:length(xs)+1
        rows[i, WEST] = flux_x(west + i, y, z, c, u, k)
    end
end

@inline function faces_y(rows, row, xs, y, z, c, v, k)
    west = first(xs) - 1
    @inbounds @simd ivdep for i in 1:length(xs)
        rows[i, row] = flux_y(west + i, y, z, c, v, k)
    end
end

@inline function faces_z(rows, row, xs, y, z, c, w, bottom, top, k)
    west = first(xs) - 1
    n = length(xs)
    reach = min(z - bottom, top - z)
    if reach >= 3
        @inbounds @simd ivdep for i in 1:n
            rows[i, row] = flux_z5(west + i, y, z, c, w, k)
        end
    elseif reach == 2
        @inbounds @simd ivdep for i in 1:n
            rows[i, row] = flux_z3(west + i, y, z, c, w, k)
        end
    elseif reach == 1
        @inbounds @simd ivdep for i in 1:n
            rows[i, row] = flux_z1(west + i, y, z, c, w, k)
        end
    else
        @inbounds @simd ivdep for i in 1:n
            rows[i, row] = zero(eltype(rows))
        end
    end
end

"""
Ask for the cells of c that a row will be the first to read. A block reads three rows beyond its
first and its last one.
"""
@inline function ask(c, xs, y, z, begins, ends)
    row_to_read(c, first(xs)-3:last(xs)+3, y, z + 3)
    if begins
        row_to_read(c, xs, y - 3, z)
        row_to_read(c, xs, y - 2, z)
        row_to_read(c, xs, y - 1, z)
    end
    if ends
        row_to_read(c, xs, y + 1, z)
        row_to_read(c, xs, y + 2, z)
        row_to_read(c, xs, y + 3, z)
    end
end

"""
Sweep a block in z and y, and `update(x, y, z, tendency, args...)` each of its cells, which writes
to the arrays `written`. `args` are not captured in a closure: LLVM would load the arrays from it in
every cell.
"""
@inline function sweep(update::F, xs, ys, zs, rows, c, u, v, w, walls, geometry, written,
                       args) where {F}
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
            ask(c, xs, y, z + 1, y == y0, y == last(ys))
            faces_x(rows, xs, y, z, c, u, kx)
            row_to_read(u, first(xs):last(xs)+1, y, z + 1)
            faces_y(rows, north, xs, y + 1, z, c, v, ky)
            y == y0 && row_to_read(v, xs, y, z + 1)
            row_to_read(v, xs, y + 1, z + 1)
            row_to_read(w, xs, y, z + 2)
            faces_z(rows, TOP, xs, y, z + 1, c, w, bottom, top, kz)
            foreach(a -> row_to_write(a, xs, y, z + 1), written)
            @inbounds @simd ivdep for i in 1:length(xs)
                rate = rate_of(rows[i, WEST], rows[i+1, WEST], rows[i, south], rows[i, north],
                               rows[i, under], rows[i, TOP], idx, idy, idz)
                rows[i, under] = rows[i, TOP]
                update(west + i, y, z, rate, args...)
            end
        end
    end
end

# ---- a work-item has a cell of a tile ----------------------------------------------------------

const TILE = (32, 4, 4)
const WIDTH, HEIGHT, DEPTH = TILE

"""
Fluxes through the west, south and bottom faces of a tile's cells, and through the far faces of its
last ones, go to local memory; then each cell takes what its neighbours have computed. `corner` is
where the tile of a group begins. Faces that no cell of the box has are left out.
"""
@kernel function tiles!(update, first_cell, last_cell, c, u, v, w, walls, geometry, args)
    tile = @index(Group, NTuple)
    item = @index(Local, NTuple)
    west = @localmem eltype(c) (WIDTH + 1, HEIGHT, DEPTH)
    south = @localmem eltype(c) (WIDTH, HEIGHT + 1, DEPTH)
    under = @localmem eltype(c) (WIDTH, HEIGHT, DEPTH + 1)
    faces(west, south, under, item, corner(tile, first_cell), last_cell, c, u, v, w, walls, geometry)
    @synchronize
    cell(update, west, south, under, item, corner(tile, first_cell), last_cell, geometry, args)
end

"The cell before a tile's first one."
@inline corner(tile, first_cell) = first_cell .+ (tile .- 1) .* TILE .- 1

@inline function faces(west, south, under, (i, j, k), corner, last_cell, c, u, v, w, walls, geometry)
    _, _, _, kx, ky, kz = geometry
    west_face(west, (i, j, k), corner, last_cell, c, u, kx)
    south_face(south, (i, j, k), corner, last_cell, c, v, ky)
    bottom_face(under, (i, j, k), corner, last_cell, c, w, walls, kz)
    j == HEIGHT && south_face(south, (i, j + 1, k), corner, last_cell, c, v, ky)
    k == DEPTH && bottom_face(under, (i, j, k + 1), corner, last_cell, c, w, walls, kz)
    # The east faces lie across the rows: one row of work-items computes them side by side.
    if j == 1 && k == 1 && i <= HEIGHT * DEPTH
        east = (WIDTH + 1, (i - 1) % HEIGHT + 1, (i - 1) ÷ HEIGHT + 1)
        west_face(west, east, corner, last_cell, c, u, kx)
    end
end

@inline function west_face(west, at, corner, last_cell, c, u, k)
    x, y, z = corner .+ at
    if x <= last_cell[1] + 1 && y <= last_cell[2] && z <= last_cell[3]
        @inbounds west[at...] = flux_x(x, y, z, c, u, k)
    end
end

@inline function south_face(south, at, corner, last_cell, c, v, k)
    x, y, z = corner .+ at
    if x <= last_cell[1] && y <= last_cell[2] + 1 && z <= last_cell[3]
        @inbounds south[at...] = flux_y(x, y, z, c, v, k)
    end
end

@inline function bottom_face(under, at, corner, last_cell, c, w, walls, k)
    x, y, z = corner .+ at
    bottom, top = walls .+ 1
    if x <= last_cell[1] && y <= last_cell[2] && z <= last_cell[3] + 1
        reach = min(z - bottom, top - z)
        @inbounds under[at...] = if reach >= 3
            flux_z5(x, y, z, c, w, k)
        elseif reach == 2
            flux_z3(x, y, z, c, w, k)
        elseif reach == 1
            flux_z1(x, y, z, c, w, k)
        else
            zero(eltype(under))
        end
    end
end

@inline function cell(update::F, west, south, under, (i, j, k), corner, last_cell, geometry,
                      args) where {F}
    x, y, z = corner .+ (i, j, k)
    idx, idy, idz, _, _, _ = geometry
    if x <= last_cell[1] && y <= last_cell[2] && z <= last_cell[3]
        @inbounds rate = rate_of(west[i, j, k], west[i+1, j, k], south[i, j, k], south[i, j+1, k],
                                 under[i, j, k], under[i, j, k+1], idx, idy, idz)
        update(x, y, z, rate, args...)
    end
end

function each_tile(update::F, device, box, c, u, v, w, walls, geometry,
                   args::Vararg{Any,M}) where {F,M}
    first_cell, last_cell = corners(box)
    sizes = last_cell .- first_cell .+ 1
    any(<=(0), sizes) && return nothing
    tiles!(device.backend, TILE)(update, first_cell, last_cell, c, u, v, w, walls, geometry, args;
                                 ndrange = TILE .* cld.(sizes, TILE))
    return nothing
end

# ---- the stages --------------------------------------------------------------------------------

@inline update1(x, y, z, rate, c, c1, first) =
    @inbounds c1[x, y, z] = muladd(first, rate, c[x, y, z])

@inline function update2(x, y, z, rate, c1, c, c2, second, weight, ahead)
    @inbounds begin
        here = c1[x, y, z]
        result = here + muladd(second, rate, weight * (here - c[x, y, z]))
        c2[x, y, z] = result
        c[x, y, z] = muladd(ahead, rate, result)
    end
end

@inline update3(x, y, z, rate, c, third) =
    @inbounds c[x, y, z] = muladd(third, rate, c[x, y, z])

block1(xs, ys, zs, rows, c, u, v, w, c1, walls, geometry, first) =
    sweep(update1, xs, ys, zs, rows, c, u, v, w, walls, geometry, (c1,), (c, c1, first))
block2(xs, ys, zs, rows, c1, u, v, w, c, c2, walls, geometry, second, weight, ahead) =
    sweep(update2, xs, ys, zs, rows, c1, u, v, w, walls, geometry, (c, c2),
          (c1, c, c2, second, weight, ahead))
block3(xs, ys, zs, rows, c2, u, v, w, c, walls, geometry, third) =
    sweep(update3, xs, ys, zs, rows, c2, u, v, w, walls, geometry, (c,), (c, third))

stage1(backend, box, c, u, v, w, c1, bottom, top, idx, idy, idz, kx, ky, kz, first) =
    each_block(block1, backend, box, BLOCK, BUFFERS, c, u, v, w, c1, (bottom, top),
               (idx, idy, idz, kx, ky, kz), first)
stage2(backend, box, c1, u, v, w, c, c2, bottom, top, idx, idy, idz, kx, ky, kz, second,
       weight, ahead) =
    each_block(block2, backend, box, BLOCK, BUFFERS, c1, u, v, w, c, c2, (bottom, top),
               (idx, idy, idz, kx, ky, kz), second, weight, ahead)
stage3(backend, box, c2, u, v, w, c, bottom, top, idx, idy, idz, kx, ky, kz, third) =
    each_block(block3, backend, box, BLOCK, BUFFERS, c2, u, v, w, c, (bottom, top),
               (idx, idy, idz, kx, ky, kz), third)

stage1(device::OneCell, box, c, u, v, w, c1, bottom, top, idx, idy, idz, kx, ky, kz, first) =
    each_tile(update1, device, box, c, u, v, w, (bottom, top), (idx, idy, idz, kx, ky, kz),
              c, c1, first)
stage2(device::OneCell, box, c1, u, v, w, c, c2, bottom, top, idx, idy, idz, kx, ky, kz, second,
       weight, ahead) =
    each_tile(update2, device, box, c1, u, v, w, (bottom, top), (idx, idy, idz, kx, ky, kz),
              c1, c, c2, second, weight, ahead)
stage3(device::OneCell, box, c2, u, v, w, c, bottom, top, idx, idy, idz, kx, ky, kz, third) =
    each_tile(update3, device, box, c2, u, v, w, (bottom, top), (idx, idy, idz, kx, ky, kz), c, third)

"The precision is that of the arrays."
specialize(; constants...) = (; stage1, stage2, stage3)

end
