"""
dT/dt = d/dz(kappa dT/dz) by backward Euler with KernelAbstractions: Thomas' algorithm.

A work-item goes up a block of columns beside each other in a row, and down again; what the way
down needs of the way up, c and d, stays in the cache. Levels lie far apart in memory, so that no
processor foresees the next row: it is asked for two levels ahead. Where a work-item has a single
column, c takes the place of the temperature, which nobody reads after the step, and d that of the
result.
"""
module column

using ..JouliaKernels: OneCell, each_block, each_row, muladd, row_to_read, row_to_write

# Elements of c, and of d, and the most columns of a block.
const ELEMENTS, COLUMNS = 32768, 256
# Levels.
const AHEAD = 2

"""
c, d and e = 1 - c of a level from those of the level below; `below` and `above` are dt kappa / dz^2
of its faces.
"""
@inline function eliminate(here, below, above, d, e)
    s = muladd(below, e, one(here))
    inverse = one(here) / (s + above)
    return above * inverse, muladd(below, d, here) * inverse, s * inverse
end

@inline mixing(here, over, stable, unstable) = ifelse(over < here, unstable, stable)

# Where the rows of a block's buffers are: dt kappa / dz^2 of the face below, e, d = 0 below the
# lowest level, and then c and d of each level.
const BELOW, E, ZEROS, LEVELS = 1, 2, 3, 3
c_of(k) = LEVELS + 2k
d_of(k) = k == 0 ? ZEROS : LEVELS + 2k - 1

"Up one level, the k-th."
@inline function up(xs, y, z, k, rows, temperature, stable, unstable)
    x0 = first(xs) - 1
    c_here, d_here, d_below = c_of(k), d_of(k), d_of(k - 1)
    @inbounds @simd ivdep for i in 1:length(xs)
        here = temperature[x0+i, y, z]
        above = mixing(here, temperature[x0+i, y, z+1], stable, unstable)
        c, d, e = eliminate(here, rows[i, BELOW], above, rows[i, d_below], rows[i, E])
        rows[i, c_here] = c
        rows[i, d_here] = d
        rows[i, E] = e
        rows[i, BELOW] = above
    end
end

@inline function highest(xs, y, z, k, rows, temperature, out, cooling)
    x0 = first(xs) - 1
    d_below = d_of(k - 1)
    @inbounds @simd ivdep for i in 1:length(xs)
        here = temperature[x0+i, y, z] - cooling
        _, d, _ = eliminate(here, rows[i, BELOW], zero(here), rows[i, d_below], rows[i, E])
        out[x0+i, y, z] = d
    end
end

@inline function down(xs, y, z, k, rows, out)
    x0 = first(xs) - 1
    c_here, d_here = c_of(k), d_of(k)
    @inbounds @simd ivdep for i in 1:length(xs)
        out[x0+i, y, z] = muladd(rows[i, c_here], out[x0+i, y, z+1], rows[i, d_here])
    end
end

function columns(xs, ys, zs, rows, temperature, out, stable, unstable, cooling)
    levels = length(zs)
    for y in ys
        @inbounds for row in (BELOW, E, ZEROS), i in 1:length(xs)
            rows[i, row] = 0
        end
        for k in 1:levels-1
            k + AHEAD <= levels && row_to_read(temperature, xs, y, zs[k+AHEAD])
            up(xs, y, zs[k], k, rows, temperature, stable, unstable)
        end
        highest(xs, y, last(zs), levels, rows, temperature, out, cooling)
        for k in levels-1:-1:1
            k > AHEAD && row_to_write(out, xs, y, zs[k-AHEAD])
            down(xs, y, zs[k], k, rows, out)
        end
    end
end

function mix(backend, box, temperature, out, stable, unstable, cooling)
    levels = box[2] - box[1]
    levels > 0 || return nothing
    width = min(COLUMNS, ELEMENTS ÷ levels ÷ 8 * 8)
    each_block(columns, backend, box, (width, 1, levels), (width, LEVELS + 2levels),
               temperature, out, stable, unstable, cooling)
end

"One column, without buffers."
@inline function alone(xs, y, zs, temperature, out, stable, unstable, cooling)
    x = first(xs)
    @inbounds begin
        here = temperature[x, y, first(zs)]
        below = d = e = zero(here)
        for z in first(zs):last(zs)-1
            over = temperature[x, y, z+1]
            above = mixing(here, over, stable, unstable)
            c, d, e = eliminate(here, below, above, d, e)
            temperature[x, y, z] = c
            out[x, y, z] = d
            below, here = above, over
        end
        _, d, _ = eliminate(here - cooling, below, zero(here), d, e)
        out[x, y, last(zs)] = d
        # A range that goes down would call Julia's runtime, which a GPU does not have.
        for k in 1:length(zs)-1
            z = last(zs) - k
            d = muladd(temperature[x, y, z], d, out[x, y, z])
            out[x, y, z] = d
        end
    end
end

function mix(device::OneCell, box, args::Vararg{Any,M}) where {M}
    levels = box[1]+1:box[2]
    isempty(levels) || each_row(alone, device, box[3:6], levels, args...)
    return nothing
end

end
