"du/dt = kappa lap(u) with KernelAbstractions as its users write it: a work-item a cell."
module heat_ka

using KernelAbstractions
using ..JouliaKernels: each_item

@kernel function diffuse!(@Const(u), out, cx, cy, cz, origin)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds out[x, y, z] = u[x, y, z] +
        cx * (u[x-1, y, z] - 2u[x, y, z] + u[x+1, y, z]) +
        cy * (u[x, y-1, z] - 2u[x, y, z] + u[x, y+1, z]) +
        cz * (u[x, y, z-1] - 2u[x, y, z] + u[x, y, z+1])
end

diffuse(backend, box, args...) = each_item(diffuse!, backend, box, args...)

end
