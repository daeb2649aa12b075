"u* = a A + b B + g G(u) of Boussinesq flow with KernelAbstractions as its users write it."
module boussinesq_ka

using KernelAbstractions
using ..JouliaKernels: each_item

include("pointwise.jl")

@kernel function predict!(scheme, @Const(u), @Const(v), @Const(w), @Const(b), ua, va, wa, ba, ub, vb, wb,
                          bb, u1, v1, w1, b1, bottom, top, idx, idy, idz, nu, kappa, f, n2, first,
                          second, gain, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds begin
        du, dv, dw, db = rates(scheme, u, v, w, b, bottom, top, idx, idy, idz, nu, kappa, f, n2, x, y, z)
        u1[x, y, z] = first * ua[x, y, z] + second * ub[x, y, z] + gain * du
        v1[x, y, z] = first * va[x, y, z] + second * vb[x, y, z] + gain * dv
        w1[x, y, z] = first * wa[x, y, z] + second * wb[x, y, z] + gain * dw
        b1[x, y, z] = first * ba[x, y, z] + second * bb[x, y, z] + gain * db
    end
end

@kernel function divergence!(@Const(u), @Const(v), @Const(w), rhs, sx, sy, sz, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds rhs[x, y, z] = sx * (u[x+1, y, z] - u[x, y, z]) + sy * (v[x, y+1, z] - v[x, y, z]) +
                             sz * (w[x, y, z+1] - w[x, y, z])
end

@kernel function project!(@Const(p), u, v, w, bottom, gx, gy, gz, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds begin
        u[x, y, z] -= gx * (p[x, y, z] - p[x-1, y, z])
        v[x, y, z] -= gy * (p[x, y, z] - p[x, y-1, z])
        if z - 1 != bottom
            w[x, y, z] -= gz * (p[x, y, z] - p[x, y, z-1])
        end
    end
end

struct Predict
    scheme::Int
end

(p::Predict)(backend, box, args...) = each_item(predict!, backend, box, p.scheme, args...)
divergence(backend, box, args...) = each_item(divergence!, backend, box, args...)
project(backend, box, args...) = each_item(project!, backend, box, args...)

"The precision is that of the arrays."
specialize(; single, advection) = (; predict = Predict(Int(advection)), divergence, project)

end
