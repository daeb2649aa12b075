"""
dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), by DGSEM with KernelAbstractions as its
users write it: a work-item a node.
"""
module euler_ka

using KernelAbstractions
using ..JouliaKernels: extents

include("pointwise.jl")
include("viscous.jl")

@kernel function nodes!(@Const(q), k, out, a, b, c, @Const(matrix), lift, n, split, origin)
    x, i, j, l, y, z = @index(Global, NTuple)
    @inbounds update(q, k, out, a, b, c, (x, y, z) .+ origin, (i, j, l), matrix, lift, n, split)
end

@kernel function viscous_fluxes!(@Const(q), fx, fy, fz, mu, kappa, inverse, @Const(slopes), lift, n,
                                 origin)
    x, i, j, l, y, z = @index(Global, NTuple)
    @inbounds viscous_flux_at(q, fx, fy, fz, mu, kappa, inverse, (x, y, z) .+ origin, (i, j, l),
                              slopes, lift, n)
end

@kernel function add_viscous!(@Const(fx), @Const(fy), @Const(fz), k, out, b, s, @Const(slopes), lift,
                              n, origin)
    x, i, j, l, y, z = @index(Global, NTuple)
    @inbounds viscous_at(fx, fy, fz, k, out, b, s, (x, y, z) .+ origin, (i, j, l), slopes, lift, n)
end

"The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."
function specialize(; nodes, split, volume, lift, lanes, slope = "")
    matrix = reshape(parse.(Float64, Base.split(volume, ",")), Int(nodes), Int(nodes))
    n, split_form = Int(nodes), Val(split != 0)
    function stage(backend, box, q, k, out, a::T, b, cx, cy, cz) where {T}
        origin, (nx, ny, nz) = extents(box)
        nodes!(backend)(q, k, out, a, b, (cx, cy, cz), T.(matrix), T(lift), Val(n), split_form,
                        origin; ndrange = (nx, n, n, n, ny, nz))
    end
    isempty(slope) && return (; stage)
    slopes = reshape(parse.(Float64, Base.split(slope, ",")), Int(nodes), Int(nodes))
    function viscous_flux(backend, box, q, fx, fy, fz, mu::T, kappa, ix, iy, iz) where {T}
        origin, (nx, ny, nz) = extents(box)
        viscous_fluxes!(backend)(q, fx, fy, fz, mu, kappa, (ix, iy, iz), T.(slopes), T(lift), Val(n),
                                 origin; ndrange = (nx, n, n, n, ny, nz))
    end
    function viscous(backend, box, fx, fy, fz, k, out, b::T, sx, sy, sz) where {T}
        origin, (nx, ny, nz) = extents(box)
        add_viscous!(backend)(fx, fy, fz, k, out, b, (sx, sy, sz), T.(slopes), T(lift), Val(n),
                              origin; ndrange = (nx, n, n, n, ny, nz))
    end
    return (; stage, viscous_flux, viscous)
end

end
