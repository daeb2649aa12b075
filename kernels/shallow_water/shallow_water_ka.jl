"Rotating shallow water with KernelAbstractions as its users write it: a work-item a cell."
module shallow_water_ka

using KernelAbstractions
using ..JouliaKernels: each_item

include("pointwise.jl")

@kernel function stage1!(@Const(u), @Const(v), @Const(h), u1, v1, h1, f, g, idx, idy, first, origin)
    index = @index(Global, NTuple)
    x, y = index .+ origin
    @inbounds begin
        du, dv, dh = rates(u, v, h, f, g, idx, idy, x, y)
        u1[x, y] = u[x, y] + first * du
        v1[x, y] = v[x, y] + first * dv
        h1[x, y] = h[x, y] + first * dh
    end
end

@kernel function stage2!(@Const(u1), @Const(v1), @Const(h1), u, v, h, u2, v2, h2, f, g, idx, idy,
                         second, weight, ahead, origin)
    index = @index(Global, NTuple)
    x, y = index .+ origin
    @inbounds begin
        du, dv, dh = rates(u1, v1, h1, f, g, idx, idy, x, y)
        u2[x, y] = u1[x, y] + (second * du + weight * (u1[x, y] - u[x, y]))
        v2[x, y] = v1[x, y] + (second * dv + weight * (v1[x, y] - v[x, y]))
        h2[x, y] = h1[x, y] + (second * dh + weight * (h1[x, y] - h[x, y]))
        u[x, y] = u2[x, y] + ahead * du
        v[x, y] = v2[x, y] + ahead * dv
        h[x, y] = h2[x, y] + ahead * dh
    end
end

@kernel function stage3!(@Const(u2), @Const(v2), @Const(h2), u, v, h, f, g, idx, idy, third, origin)
    index = @index(Global, NTuple)
    x, y = index .+ origin
    @inbounds begin
        du, dv, dh = rates(u2, v2, h2, f, g, idx, idy, x, y)
        u[x, y] += third * du
        v[x, y] += third * dv
        h[x, y] += third * dh
    end
end

stage1(backend, box, args...) = each_item(stage1!, backend, box, args...)
stage2(backend, box, args...) = each_item(stage2!, backend, box, args...)
stage3(backend, box, args...) = each_item(stage3!, backend, box, args...)

end
