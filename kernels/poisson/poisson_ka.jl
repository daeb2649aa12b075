"x + omega (b - A x), A = -lap, with KernelAbstractions as its users write it: a work-item a cell."
module poisson_ka

using KernelAbstractions
using ..JouliaKernels: each_item

include("pointwise.jl")

@kernel function sweep!(@Const(x), @Const(b), out, bottom, top, u, v, wx, wy, wz, origin)
    index = @index(Global, NTuple)
    i, y, z = index .+ origin
    @inbounds out[i, y, z] = combination(x, b, i, y, z, bottom, top, u, v, wx, wy, wz)
end

@kernel function coarsen!(@Const(x), @Const(b), coarse, sz, sy, sx, oz, oy, ox, my, mx, bottom, top,
                          u, v, wx, wy, wz, origin)
    index = @index(Global, NTuple)
    i, y, z = index .+ origin
    @inbounds coarse[i, y, z] =
        summed(x, b, i, y, z, sz, sy, sx, oz, oy, ox, bottom, top, u, v, wx, wy, wz)
end

@kernel function correct!(@Const(x), @Const(coarse), @Const(b), out, sz, sy, sx, oz, oy, ox, my, mx,
                          bottom, top, u, v, wx, wy, wz, origin)
    index = @index(Global, NTuple)
    i, y, z = index .+ origin
    @inbounds out[i, y, z] =
        corrected(x, coarse, b, i, y, z, sz, sy, sx, oz, oy, ox, bottom, top, u, v, wx, wy, wz)
end

@kernel function add!(@Const(x), y, a, c, origin)
    index = @index(Global, NTuple)
    i, j, k = index .+ origin
    @inbounds y[i, j, k] = a * x[i, j, k] + c * y[i, j, k]
end

sweep(backend, box, args...) = each_item(sweep!, backend, box, args...)
coarsen(backend, box, args...) = each_item(coarsen!, backend, box, args...)
correct(backend, box, args...) = each_item(correct!, backend, box, args...)
add(backend, box, args...) = each_item(add!, backend, box, args...)

end
