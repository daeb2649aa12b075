# A = -lap on cell centres, 7 points. All of a V-cycle is the combination
# u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t) of neighbours.
#
# @propagate_inbounds, and not @inline: a caller's @inbounds ends at a function, and the checks that
# stay inside keep its loop from becoming vectors (a sweep took three times as long).

"The planes below and above plane z, one-based: beyond a wall is the one inside."
@inline beside(z, bottom, top) = (max(z - 1, bottom + 1), min(z + 1, top))

"The combination at a cell."
Base.@propagate_inbounds function combination(x, b, i, y, z, bottom, top, u, v, wx, wy, wz)
    low, high = beside(z, bottom, top)
    return u * x[i, y, z] + v * b[i, y, z] + wx * (x[i-1, y, z] + x[i+1, y, z]) +
        wy * (x[i, y-1, z] + x[i, y+1, z]) + wz * (x[i, y, low] + x[i, y, high])
end

"The first of the finer cells that become a cell, and the parent of one; both count from one."
@inline finer(cell, shift, origin) = ((cell - 1 - origin) << shift) + 2
@inline parent(cell, shift, origin) = ((cell - 2) >> shift) + origin + 1

"The sum of the combination over the cells that become one."
Base.@propagate_inbounds function summed(x, b, i, y, z, sz, sy, sx, oz, oy, ox, args...)
    total = zero(eltype(x))
    for dz in 0:(1<<sz)-1, dy in 0:(1<<sy)-1, dx in 0:(1<<sx)-1
        total += combination(x, b, finer(i, sx, ox) + dx, finer(y, sy, oy) + dy,
                             finer(z, sz, oz) + dz, args...)
    end
    return total
end

"x at a cell with its parent's value."
Base.@propagate_inbounds raised(x, coarse, i, y, z, sz, sy, sx, oz, oy, ox) =
    x[i, y, z] + coarse[parent(i, sx, ox), parent(y, sy, oy), parent(z, sz, oz)]

"The combination of b and of x with its parents' values."
Base.@propagate_inbounds function corrected(x, coarse, b, i, y, z, sz, sy, sx, oz, oy, ox, bottom,
                                            top, u, v, wx, wy, wz)
    s = (sz, sy, sx, oz, oy, ox)
    low, high = beside(z, bottom, top)
    return u * raised(x, coarse, i, y, z, s...) + v * b[i, y, z] +
        wx * (raised(x, coarse, i - 1, y, z, s...) + raised(x, coarse, i + 1, y, z, s...)) +
        wy * (raised(x, coarse, i, y - 1, z, s...) + raised(x, coarse, i, y + 1, z, s...)) +
        wz * (raised(x, coarse, i, y, low, s...) + raised(x, coarse, i, y, high, s...))
end
