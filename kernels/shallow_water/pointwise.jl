# Sadourny's (1975) C-grid as it stands in the paper: U and V are the fluxes through a cell's west and
# south faces, q the potential vorticity at its south-west corner, B the Bernoulli function at its
# centre; x and y are the cell's indices.

Base.@propagate_inbounds flux_u(u, h, x, y) = (h[x-1, y] + h[x, y]) / 2 * u[x, y]

Base.@propagate_inbounds flux_v(v, h, x, y) = (h[x, y-1] + h[x, y]) / 2 * v[x, y]

Base.@propagate_inbounds function vorticity(u, v, h, f, idx, idy, x, y)
    curl = (v[x, y] - v[x-1, y]) * idx - (u[x, y] - u[x, y-1]) * idy
    return (f + curl) / ((h[x-1, y-1] + h[x, y-1] + h[x-1, y] + h[x, y]) / 4)
end

Base.@propagate_inbounds bernoulli(u, v, h, g, x, y) =
    (u[x, y]^2 + u[x+1, y]^2 + v[x, y]^2 + v[x, y+1]^2) / 4 + g * h[x, y]

"du/dt = q V - dB/dx, dv/dt = -q U - dB/dy and dh/dt = -div(U, V) of a cell."
Base.@propagate_inbounds function rates(u, v, h, f, g, idx, idy, x, y)
    q = vorticity(u, v, h, f, idx, idy, x, y)
    q_north = vorticity(u, v, h, f, idx, idy, x, y + 1)
    q_east = vorticity(u, v, h, f, idx, idy, x + 1, y)
    U, U_east = flux_u(u, h, x, y), flux_u(u, h, x + 1, y)
    V, V_north = flux_v(v, h, x, y), flux_v(v, h, x, y + 1)
    B = bernoulli(u, v, h, g, x, y)
    qV = q * (flux_v(v, h, x - 1, y) + V) + q_north * (flux_v(v, h, x - 1, y + 1) + V_north)
    qU = q * (flux_u(u, h, x, y - 1) + U) + q_east * (flux_u(u, h, x + 1, y - 1) + U_east)
    du = qV / 4 - (B - bernoulli(u, v, h, g, x - 1, y)) * idx
    dv = -qU / 4 - (B - bernoulli(u, v, h, g, x, y - 1)) * idy
    dh = (U - U_east) * idx + (V - V_north) * idy
    return du, dv, dh
end
