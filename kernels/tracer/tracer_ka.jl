"dc/dt = -div(v c) + kappa lap(c) with KernelAbstractions as its users write it: a work-item a cell."
module tracer_ka

using KernelAbstractions
using ..JouliaKernels: each_item

include("pointwise.jl")

@kernel function stage1!(@Const(c), @Const(u), @Const(v), @Const(w), c1, bottom, top, idx, idy, idz,
                         kx, ky, kz, first, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds begin
        change = rate(c, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
        c1[x, y, z] = c[x, y, z] + first * change
    end
end

@kernel function stage2!(@Const(c1), @Const(u), @Const(v), @Const(w), c, c2, bottom, top, idx, idy,
                         idz, kx, ky, kz, second, weight, ahead, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds begin
        change = rate(c1, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
        here = c1[x, y, z]
        c2[x, y, z] = here + (second * change + weight * (here - c[x, y, z]))
        c[x, y, z] = c2[x, y, z] + ahead * change
    end
end

@kernel function stage3!(@Const(c2), @Const(u), @Const(v), @Const(w), c, bottom, top, idx, idy, idz,
                         kx, ky, kz, third, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds begin
        change = rate(c2, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
        c[x, y, z] += third * change
    end
end

stage1(backend, box, args...) = each_item(stage1!, backend, box, args...)
stage2(backend, box, args...) = each_item(stage2!, backend, box, args...)
stage3(backend, box, args...) = each_item(stage3!, backend, box, args...)

"The precision is that of the arrays."
specialize(; constants...) = (; stage1, stage2, stage3)

end
