# States and fluxes as the papers write them. A state is (rho, velocity, p, E); d is the direction,
# 1, 2 or 3; `ll` and `rr` are the states on the lower and the upper side of a face.

const GAMMA = 1.4

"The state of the node (i, j, k) of the element (x, y, z)."
Base.@propagate_inbounds function state(q::AbstractArray{T}, x, (i, j, k), y, z) where {T}
    rho, energy = q[x, i, j, k, 1, y, z], q[x, i, j, k, 5, y, z]
    v = (q[x, i, j, k, 2, y, z] / rho, q[x, i, j, k, 3, y, z] / rho, q[x, i, j, k, 4, y, z] / rho)
    p = T(GAMMA - 1) * (energy - rho * (v[1]^2 + v[2]^2 + v[3]^2) / 2)
    return rho, v, p, energy
end

"f(q) along d: mass, momentum, energy."
@inline function flux((rho, v, p, energy), d)
    mass = rho * v[d]
    return (mass, mass * v[1] + (d == 1) * p, mass * v[2] + (d == 2) * p,
            mass * v[3] + (d == 3) * p, (energy + p) * v[d])
end

"The two-point flux of Shima et al. (2021): it preserves kinetic energy and pressure equilibrium."
@inline function flux_shima((rho_ll, v_ll, p_ll, _), (rho_rr, v_rr, p_rr, _), d)
    T = typeof(rho_ll)
    v_mean = (v_ll .+ v_rr) ./ 2
    p_mean = (p_ll + p_rr) / 2
    mass = (rho_ll + rho_rr) / 2 * v_mean[d]
    kinetic = (v_ll[1] * v_rr[1] + v_ll[2] * v_rr[2] + v_ll[3] * v_rr[3]) / 2
    work = (p_ll * v_rr[d] + p_rr * v_ll[d]) / 2
    return (mass, mass * v_mean[1] + (d == 1) * p_mean, mass * v_mean[2] + (d == 2) * p_mean,
            mass * v_mean[3] + (d == 3) * p_mean,
            p_mean * v_mean[d] / T(GAMMA - 1) + mass * kinetic + work)
end

"The conserved variables of a state."
@inline conserved((rho, v, p, energy)) = (rho, rho * v[1], rho * v[2], rho * v[3], energy)

"The Rusanov (local Lax-Friedrichs) flux, lambda = max |v_d| + max c."
@inline function flux_rusanov(ll, rr, d)
    T = typeof(ll[1])
    sound_ll, sound_rr = sqrt(T(GAMMA) * ll[3] / ll[1]), sqrt(T(GAMMA) * rr[3] / rr[1])
    speed = max(abs(ll[2][d]), abs(rr[2][d])) + max(sound_ll, sound_rr)
    return (flux(ll, d) .+ flux(rr, d) .- speed .* (conserved(rr) .- conserved(ll))) ./ 2
end

"A node with index l along d."
@inline along(node, d, l) = ntuple(axis -> axis == d ? l : node[axis], Val(3))

"An element's neighbour on a side, -1 or 1, along d."
@inline beside((x, y, z), d, side) = (x + side * (d == 1), y + side * (d == 2), z + side * (d == 3))

"What direction d adds to dq/dt of a node, times dt: the volume's sum, and the faces at its ends."
Base.@propagate_inbounds function change(q, element, node, d, matrix, lift, ::Val{N},
                                         ::Val{SPLIT}) where {N,SPLIT}
    x, y, z = element
    own = state(q, x, node, y, z)
    total = 0 .* flux(own, d)
    for l in 1:N
        other = state(q, x, along(node, d, l), y, z)
        f = SPLIT ? flux_shima(own, other, d) : flux(other, d)
        total = total .+ matrix[l, node[d]] .* f
    end
    if node[d] == 1
        x, y, z = beside(element, d, -1)
        total = total .+ lift .* flux_rusanov(state(q, x, along(node, d, N), y, z), own, d)
    end
    if node[d] == N
        x, y, z = beside(element, d, 1)
        total = total .- lift .* flux_rusanov(own, state(q, x, along(node, d, 1), y, z), d)
    end
    return total
end

"k = a k + dt R(q) and out = q + b k of a node."
Base.@propagate_inbounds function update(q, k, out, a, b, c, element, node, matrix, lift, n, split)
    x, y, z = element
    r = c[1] .* change(q, element, node, 1, matrix, lift, n, split) .+
        c[2] .* change(q, element, node, 2, matrix, lift, n, split) .+
        c[3] .* change(q, element, node, 3, matrix, lift, n, split)
    for component in 1:5
        at = (x, node..., component, y, z)
        k[at...] = a * k[at...] + r[component]
        out[at...] = q[at...] + b * k[at...]
    end
end
