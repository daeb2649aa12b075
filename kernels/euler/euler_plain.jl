"""
dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), by DGSEM in plain Julia: a node after
another, threads over planes of elements.
"""
module euler_plain

include("pointwise.jl")
include("viscous.jl")

function nodes!((z0, z1, y0, y1, x0, x1), q, k, out, a, b, c, matrix, lift, ::Val{N},
                split) where {N}
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, node in CartesianIndices((N, N, N)), x in x0+1:x1
            @inbounds update(q, k, out, a, b, c, (x, y, z), Tuple(node), matrix, lift, Val(N), split)
        end
    end
end

function viscous_fluxes!((z0, z1, y0, y1, x0, x1), q, fx, fy, fz, mu, kappa, inverse, slopes, lift,
                         ::Val{N}) where {N}
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, node in CartesianIndices((N, N, N)), x in x0+1:x1
            @inbounds viscous_flux_at(q, fx, fy, fz, mu, kappa, inverse, (x, y, z), Tuple(node),
                                      slopes, lift, Val(N))
        end
    end
end

function add_viscous!((z0, z1, y0, y1, x0, x1), fx, fy, fz, k, out, b, s, slopes, lift,
                      ::Val{N}) where {N}
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, node in CartesianIndices((N, N, N)), x in x0+1:x1
            @inbounds viscous_at(fx, fy, fz, k, out, b, s, (x, y, z), Tuple(node), slopes, lift,
                                 Val(N))
        end
    end
end

"The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."
function specialize(; nodes, split, volume, lift, lanes, slope = "")
    matrix = reshape(parse.(Float64, Base.split(volume, ",")), Int(nodes), Int(nodes))
    n, split_form = Val(Int(nodes)), Val(split != 0)
    stage(_, box, q, k, out, a::T, b, cx, cy, cz) where {T} =
        nodes!(box, q, k, out, a, b, (cx, cy, cz), T.(matrix), T(lift), n, split_form)
    isempty(slope) && return (; stage)
    slopes = reshape(parse.(Float64, Base.split(slope, ",")), Int(nodes), Int(nodes))
    viscous_flux(_, box, q, fx, fy, fz, mu::T, kappa, ix, iy, iz) where {T} =
        viscous_fluxes!(box, q, fx, fy, fz, mu, kappa, (ix, iy, iz), T.(slopes), T(lift), n)
    viscous(_, box, fx, fy, fz, k, out, b::T, sx, sy, sz) where {T} =
        add_viscous!(box, fx, fy, fz, k, out, b, (sx, sy, sz), T.(slopes), T(lift), n)
    return (; stage, viscous_flux, viscous)
end

end
