# Viscosity by nodes, for devices with many lanes and for plain Julia: the variables of a node are
# (v1, v2, v3, T) with T = p / rho, a flux has a part of each momentum and of E. `slopes` is the matrix
# S of viscous.py, transposed; d is the direction, 1, 2 or 3; indices are one-based.

"A node in an element beside: below the first along d, above the last, else inside."
@inline function beyond((x, y, z), node, d, l, n)
    side = l < 1 ? -1 : l > n ? 1 : 0
    inside = l < 1 ? n : l > n ? 1 : l
    return (x + side * (d == 1), y + side * (d == 2), z + side * (d == 3)),
           ntuple(axis -> axis == d ? inside : node[axis], Val(3))
end

"v1, v2, v3 and T of a node: what is differentiated."
Base.@propagate_inbounds function variables(q::AbstractArray{T}, (x, y, z), (i, j, k)) where {T}
    inverse = one(T) / q[x, i, j, k, 1, y, z]
    m1, m2, m3 = q[x, i, j, k, 2, y, z], q[x, i, j, k, 3, y, z], q[x, i, j, k, 4, y, z]
    v1, v2, v3 = m1 * inverse, m2 * inverse, m3 * inverse
    internal = q[x, i, j, k, 5, y, z] - (m1 * v1 + m2 * v2 + m3 * v3) / 2
    return v1, v2, v3, T(GAMMA - 1) * internal * inverse
end

"A flux at a node."
Base.@propagate_inbounds viscous_part(f, (x, y, z), (i, j, k)) =
    (f[x, i, j, k, 2, y, z], f[x, i, j, k, 3, y, z], f[x, i, j, k, 4, y, z],
     f[x, i, j, k, 5, y, z])

"""
The derivative along d of what `at` reads of `f`, at a node, with the mean of both sides on faces;
times the elements' length.
"""
Base.@propagate_inbounds function slope_along(at::F, f, element, node, d, slopes, lift,
                                              ::Val{N}) where {F,N}
    total = 0 .* at(f, element, node)
    for l in 1:N
        total = total .+ slopes[l, node[d]] .* at(f, beyond(element, node, d, l, N)...)
    end
    if node[d] == 1
        total = total .- lift .* at(f, beyond(element, node, d, 0, N)...)
    end
    if node[d] == N
        total = total .+ lift .* at(f, beyond(element, node, d, N + 1, N)...)
    end
    return total
end

"The viscous fluxes of a node: the stress mu (grad v + grad v^T - 2/3 div v), its work, kappa grad T."
Base.@propagate_inbounds function viscous_flux_at(q::AbstractArray{T}, fx, fy, fz, mu, kappa,
                                                  inverse, element, node, slopes, lift,
                                                  n) where {T}
    g1 = inverse[1] .* slope_along(variables, q, element, node, 1, slopes, lift, n)
    g2 = inverse[2] .* slope_along(variables, q, element, node, 2, slopes, lift, n)
    g3 = inverse[3] .* slope_along(variables, q, element, node, 3, slopes, lift, n)
    v1, v2, v3, _ = variables(q, element, node)
    compression = (g1[1] + g2[2] + g3[3]) / 3
    xx, yy, zz = 2mu * (g1[1] - compression), 2mu * (g2[2] - compression),
                 2mu * (g3[3] - compression)
    xy, xz, yz = mu * (g1[2] + g2[1]), mu * (g1[3] + g3[1]), mu * (g2[3] + g3[2])
    (x, y, z), (i, j, k) = element, node
    for (f, (a, b, c), heat) in ((fx, (xx, xy, xz), g1[4]), (fy, (xy, yy, yz), g2[4]),
                                 (fz, (xz, yz, zz), g3[4]))
        f[x, i, j, k, 2, y, z] = a
        f[x, i, j, k, 3, y, z] = b
        f[x, i, j, k, 4, y, z] = c
        f[x, i, j, k, 5, y, z] = v1 * a + v2 * b + v3 * c + kappa * heat
    end
    return nothing
end

"k += dt V and out += b dt V of a node, with V the divergence of the fluxes and s_d = dt / dx_d."
Base.@propagate_inbounds function viscous_at(fx, fy, fz, k, out, b, s, element, node, slopes, lift,
                                             n)
    added = s[1] .* slope_along(viscous_part, fx, element, node, 1, slopes, lift, n) .+
            s[2] .* slope_along(viscous_part, fy, element, node, 2, slopes, lift, n) .+
            s[3] .* slope_along(viscous_part, fz, element, node, 3, slopes, lift, n)
    x, y, z = element
    for part in 1:4
        at = (x, node..., part + 1, y, z)
        k[at...] += added[part]
        out[at...] += b * added[part]
    end
    return nothing
end
