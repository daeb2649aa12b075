include("../_weno_pointwise.jl")

"The flux through the face between cells c and d: six cells around it, the upwind value, diffusion."
@inline function flux(velocity, a, b, c, d, e, f, k)
    value = velocity > 0 ? weno5(a, b, c, d, e) : weno5(f, e, d, c, b)
    return velocity * value - k * (d - c)
end

Base.@propagate_inbounds flux_x(c, u, k, x, y, z) =
    flux(u[x, y, z], c[x-3, y, z], c[x-2, y, z], c[x-1, y, z], c[x, y, z], c[x+1, y, z],
         c[x+2, y, z], k)

Base.@propagate_inbounds flux_y(c, v, k, x, y, z) =
    flux(v[x, y, z], c[x, y-3, z], c[x, y-2, z], c[x, y-1, z], c[x, y, z], c[x, y+1, z],
         c[x, y+2, z], k)

"Through the bottom of a cell: none through a wall, lower order beside it."
Base.@propagate_inbounds function flux_z(c, w, k, bottom, top, x, y, z)
    reach = min(z - 1 - bottom, top - (z - 1))
    reach <= 0 && return zero(eltype(c))
    velocity, below, here = w[x, y, z], c[x, y, z-1], c[x, y, z]
    if reach >= 3
        return flux(velocity, c[x, y, z-3], c[x, y, z-2], below, here, c[x, y, z+1], c[x, y, z+2], k)
    elseif reach == 2
        value = velocity > 0 ? weno3(c[x, y, z-2], below, here) : weno3(c[x, y, z+1], here, below)
    else
        value = velocity > 0 ? below : here
    end
    return velocity * value - k * (here - below)
end

"dc/dt = -div(v c) + kappa lap(c) of a cell."
Base.@propagate_inbounds function rate(c, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
    in_x = flux_x(c, u, kx, x, y, z) - flux_x(c, u, kx, x + 1, y, z)
    in_y = flux_y(c, v, ky, x, y, z) - flux_y(c, v, ky, x, y + 1, z)
    in_z = flux_z(c, w, kz, bottom, top, x, y, z) - flux_z(c, w, kz, bottom, top, x, y, z + 1)
    return in_x * idx + in_y * idy + in_z * idz
end
