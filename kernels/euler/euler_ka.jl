"""
dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), by DGSEM with KernelAbstractions as its
users write it: a work-item a node.
"""
module euler_ka

using KernelAbstractions
using ..JouliaKernels: extents

include("pointwise.jl")

@kernel function nodes!(@Const(q), k, out, a, b, c, @Const(matrix), lift, n, split, origin)
    x, i, j, l, y, z = @index(Global, NTuple)
    @inbounds update(q, k, out, a, b, c, (x, y, z) .+ origin, (i, j, l), matrix, lift, n, split)
end

"The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."
function specialize(; nodes, split, volume, lift, lanes)
    matrix = reshape(parse.(Float64, Base.split(volume, ",")), Int(nodes), Int(nodes))
    n, split_form = Int(nodes), Val(split != 0)
    function stage(backend, box, q, k, out, a::T, b, cx, cy, cz) where {T}
        origin, (nx, ny, nz) = extents(box)
        nodes!(backend)(q, k, out, a, b, (cx, cy, cz), T.(matrix), T(lift), Val(n), split_form,
                        origin; ndrange = (nx, n, n, n, ny, nz))
    end
    return (; stage)
end

end
