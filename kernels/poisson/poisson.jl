"""
x + omega (b - A x), A = -lap with 7 points on cell centres, with KernelAbstractions: rows of unit
stride. Where two cells become one, or have one parent, a buffer holds a piece of a row of the finer
ones. On a GPU a work-item computes a cell.
"""
module poisson

using ..JouliaKernels: OneCell, each_block, each_row, muladd

include("pointwise.jl")

const COLUMNS, ROWS = 512, 16

"The combination with something added, of neighbours in rows."
Base.@propagate_inbounds function row_value(more, x, b, i, y, z, low, high, u, v, wx, wy, wz)
    value = muladd(v, b[i, y, z], muladd(u, x[i, y, z], more))
    value = muladd(wx, x[i-1, y, z] + x[i+1, y, z], value)
    value = muladd(wy, x[i, y-1, z] + x[i, y+1, z], value)
    return muladd(wz, x[i, y, low] + x[i, y, high], value)
end

@inline function sweep_row(xs, y, z, x, b, out, bottom, top, u, v, wx, wy, wz)
    low, high = beside(z, bottom, top)
    @inbounds @simd ivdep for i in xs
        out[i, y, z] = row_value(zero(u), x, b, i, y, z, low, high, u, v, wx, wy, wz)
    end
end

"A block of coarser cells, of at most COLUMNS / 2 in a row."
function coarsen_block(xs, ys, zs, sums, x, b, coarse, sz, sy, sx, oz, oy, ox, bottom, top, numbers)
    begins = finer(first(xs), sx, ox)
    count = length(xs) << sx
    for parents in zs, row in ys
        @inbounds @simd ivdep for i in 1:count
            sums[i] = zero(eltype(sums))
        end
        for z in finer(parents, sz, oz):finer(parents + 1, sz, oz)-1
            low, high = beside(z, bottom, top)
            for y in finer(row, sy, oy):finer(row + 1, sy, oy)-1
                add_row(sums, count, begins - 1, x, b, y, z, low, high, numbers...)
            end
        end
        before = first(xs) - 1
        if sx == 1
            @inbounds @simd ivdep for i in 1:length(xs)
                coarse[before+i, row, parents] = sums[2i-1] + sums[2i]
            end
        else
            @inbounds @simd ivdep for i in 1:count
                coarse[before+i, row, parents] = sums[i]
            end
        end
    end
end

@inline function add_row(sums, count, before, x, b, y, z, low, high, u, v, wx, wy, wz)
    @inbounds @simd ivdep for i in 1:count
        sums[i] = row_value(sums[i], x, b, before + i, y, z, low, high, u, v, wx, wy, wz)
    end
end

"The combination of the parents of a row's cells: two cells for each parent, or one."
@inline function raise_row(raised, xs, coarse, sx, south, row, north, under, here, over, u, wx, wy,
                           wz)
    before = first(xs) - 1
    if sx == 1
        @inbounds @simd ivdep for i in 1:length(xs)
            p = before + i
            centre = coarse[p, row, here]
            value = muladd(wy, coarse[p, south, here] + coarse[p, north, here], u * centre)
            value = muladd(wz, coarse[p, row, under] + coarse[p, row, over], value)
            raised[2i-1] = muladd(wx, coarse[p-1, row, here] + centre, value)
            raised[2i] = muladd(wx, centre + coarse[p+1, row, here], value)
        end
    else
        @inbounds @simd ivdep for i in 1:length(xs)
            p = before + i
            value = muladd(wy, coarse[p, south, here] + coarse[p, north, here],
                           u * coarse[p, row, here])
            value = muladd(wz, coarse[p, row, under] + coarse[p, row, over], value)
            raised[i] = muladd(wx, coarse[p-1, row, here] + coarse[p+1, row, here], value)
        end
    end
end

@inline function corrected_row(raised, skipped, xs, y, z, low, high, x, b, out, u, v, wx, wy, wz)
    before = first(xs) - 1
    @inbounds @simd ivdep for i in 1:length(xs)
        out[before+i, y, z] =
            row_value(raised[skipped+i], x, b, before + i, y, z, low, high, u, v, wx, wy, wz)
    end
end

function correct_block(xs, ys, zs, raised, x, coarse, b, out, sz, sy, sx, oz, oy, ox, bottom, top,
                       numbers)
    u, v, wx, wy, wz = numbers
    parents = parent(first(xs), sx, ox):parent(last(xs), sx, ox)
    skipped = (first(xs) - 2) & sx
    for z in zs
        low, high = beside(z, bottom, top)
        here, under, over = parent(z, sz, oz), parent(low, sz, oz), parent(high, sz, oz)
        for y in ys
            raise_row(raised, parents, coarse, sx, parent(y - 1, sy, oy), parent(y, sy, oy),
                      parent(y + 1, sy, oy), under, here, over, u, wx, wy, wz)
            corrected_row(raised, skipped, xs, y, z, low, high, x, b, out, u, v, wx, wy, wz)
        end
    end
end

@inline function add_cells(xs, y, z, x, to, a, c)
    @inbounds @simd ivdep for i in xs
        to[i, y, z] = muladd(a, x[i, y, z], c * to[i, y, z])
    end
end

sweep(backend, box, args...) = each_row(sweep_row, backend, box, args...)
add(backend, box, args...) = each_row(add_cells, backend, box, args...)

coarsen(backend, box, x, b, coarse, sz, sy, sx, oz, oy, ox, my, mx, bottom, top, numbers...) =
    each_block(coarsen_block, backend, box, (COLUMNS ÷ 2, ROWS, 1), (COLUMNS,),
               x, b, coarse, sz, sy, sx, oz, oy, ox, bottom, top, numbers)

correct(backend, box, x, coarse, b, out, sz, sy, sx, oz, oy, ox, my, mx, bottom, top, numbers...) =
    each_block(correct_block, backend, box, (COLUMNS, ROWS, 1), (COLUMNS + 2,),
               x, coarse, b, out, sz, sy, sx, oz, oy, ox, bottom, top, numbers)

# ---- a cell a work-item ------------------------------------------------------------------------

@inline function coarsen_cells(xs, y, z, x, b, coarse, args...)
    @inbounds for i in xs
        coarse[i, y, z] = summed(x, b, i, y, z, args...)
    end
end

@inline function correct_cells(xs, y, z, x, coarse, b, out, args...)
    @inbounds for i in xs
        out[i, y, z] = corrected(x, coarse, b, i, y, z, args...)
    end
end

coarsen(device::OneCell, box, x, b, coarse, sz, sy, sx, oz, oy, ox, my, mx, numbers...) =
    each_row(coarsen_cells, device, box, x, b, coarse, sz, sy, sx, oz, oy, ox, numbers...)
correct(device::OneCell, box, x, coarse, b, out, sz, sy, sx, oz, oy, ox, my, mx, numbers...) =
    each_row(correct_cells, device, box, x, coarse, b, out, sz, sy, sx, oz, oy, ox, numbers...)

end
