include("../_weno_pointwise.jl")

# Boussinesq flow on a C-grid, cell by cell. A scheme is 0, 1 or 2: centred, WENO5-Z, none. A field that
# lies on the faces of an axis is carried by the velocities' means between the cell at `side` and its own.
const U, V, W, B = (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)

Base.@propagate_inbounds middle(c, side, x, y, z) =
    (c[x-side[1], y-side[2], z-side[3]] + c[x, y, z]) / 2

"Through the face between a cell and the one a `jump` before it, with `reach` cells on either side."
Base.@propagate_inbounds function through(scheme, velocity, q, jump, k, reach, x, y, z)
    cell(i) = @inbounds q[x+i*jump[1], y+i*jump[2], z+i*jump[3]]
    c, d = cell(-1), cell(0)
    forward = velocity > 0
    value = if scheme == 0
        (c + d) / 2
    elseif scheme == 2
        zero(d)
    elseif reach >= 3
        forward ? weno5(cell(-3), cell(-2), c, d, cell(1)) : weno5(cell(2), cell(1), d, c, cell(-2))
    elseif reach == 2
        forward ? weno3(cell(-2), c, d) : weno3(cell(1), d, c)
    else
        forward ? c : d
    end
    return velocity * value - k * (d - c)
end

"Through the bottom of a cell: not through a wall. w has values there, its cells end beyond."
Base.@propagate_inbounds function through_z(scheme, q, w, side, k, bottom, top, x, y, z)
    reach = min(z - 1 - bottom, top - (z - 1) + side[3])
    reach <= 0 && return zero(eltype(q))
    return through(scheme, middle(w, side, x, y, z), q, W, k, reach, x, y, z)
end

"What flows into a cell less what flows out."
Base.@propagate_inbounds function inflow(scheme, q, u, v, w, side, k, bottom, top, idx, idy, idz, x, y, z)
    west(x) = @inbounds through(scheme, middle(u, side, x, y, z), q, U, k * idx, 3, x, y, z)
    south(y) = @inbounds through(scheme, middle(v, side, x, y, z), q, V, k * idy, 3, x, y, z)
    under(z) = @inbounds through_z(scheme, q, w, side, k * idz, bottom, top, x, y, z)
    return (west(x) - west(x + 1)) * idx + (south(y) - south(y + 1)) * idy +
           (under(z) - under(z + 1)) * idz
end

"The rates of u, v, w and b in a cell. Nothing accelerates w on a wall."
Base.@propagate_inbounds function rates(scheme, u, v, w, b, bottom, top, idx, idy, idz, nu, kappa, f, n2,
                                        x, y, z)
    ends = (bottom, top, idx, idy, idz, x, y, z)
    du = inflow(scheme, u, u, v, w, U, nu, ends...) +
         f * ((v[x-1, y, z] + v[x, y, z] + v[x-1, y+1, z] + v[x, y+1, z]) / 4)
    dv = inflow(scheme, v, u, v, w, V, nu, ends...) -
         f * ((u[x, y-1, z] + u[x, y, z] + u[x+1, y-1, z] + u[x+1, y, z]) / 4)
    dw = zero(du)
    if z - 1 != bottom
        dw = inflow(scheme, w, u, v, w, W, nu, ends...) + (b[x, y, z-1] + b[x, y, z]) / 2
    end
    db = inflow(scheme, b, u, v, w, B, kappa, ends...) - n2 * ((w[x, y, z] + w[x, y, z+1]) / 2)
    return du, dv, dw, db
end
