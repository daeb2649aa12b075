"du/dt = kappa lap(u) with KernelAbstractions as its users write it: a work-item a cell."
module heat_ka

using KernelAbstractions
using ..JouliaKernels: extents

@kernel function diffuse!(out, @Const(u), origin, cx, cy, cz)
    index = @index(Global, NTuple)
    x, y, z = index .+ origin
    @inbounds out[x, y, z] = u[x, y, z] +
        cx * (u[x-1, y, z] - 2u[x, y, z] + u[x+1, y, z]) +
        cy * (u[x, y-1, z] - 2u[x, y, z] + u[x, y+1, z]) +
        cz * (u[x, y, z-1] - 2u[x, y, z] + u[x, y, z+1])
end

function diffuse(backend, box, u, out, cx, cy, cz)
    origin, sizes = extents(box)
    diffuse!(backend)(out, u, origin, cx, cy, cz; ndrange = sizes)
end

end
