# Fluxes through faces by WENO5-Z as Borges et al. (2008) write it; the scheme's small number.
const EPS = 1e-8

"The value at the face between c and d, from the left, in differences from c."
@inline function weno5(a, b, c::T, d, e) where {T}
    a, b, d, e = a - c, b - c, d - c, e - c
    beta0 = (13(e - 2d)^2 + 3(e - 4d)^2) / 4
    beta1 = (13(b + d)^2 + 3(b - d)^2) / 4
    beta2 = (13(a - 2b)^2 + 3(a - 4b)^2) / 4
    tau = abs(beta0 - beta2)
    alpha0 = 3(1 + (tau / (beta0 + T(EPS)))^2)
    alpha1 = 6(1 + (tau / (beta1 + T(EPS)))^2)
    alpha2 = 1 + (tau / (beta2 + T(EPS)))^2
    parts = alpha0 * (5d - e) + alpha1 * (2d - b) + alpha2 * (2a - 7b)
    return c + parts / (6(alpha0 + alpha1 + alpha2))
end

"Of third order, from two cells on the left and one on the right."
@inline function weno3(b, c::T, d) where {T}
    b, d = b - c, d - c
    beta0, beta1 = d^2, b^2
    tau = abs(beta0 - beta1)
    alpha0 = 2(1 + (tau / (beta0 + T(EPS)))^2)
    alpha1 = 1 + (tau / (beta1 + T(EPS)))^2
    return c + (alpha0 * d - alpha1 * b) / (2(alpha0 + alpha1))
end

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
