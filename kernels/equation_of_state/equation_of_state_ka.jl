"The density of sea water with KernelAbstractions as its users write it: a work-item a point."
module equation_of_state_ka

using KernelAbstractions
using ..JouliaKernels: extents, horner

include("pointwise.jl")

@kernel function density!(rho, @Const(theta), @Const(salinity), @Const(z), c, origin)
    index = @index(Global, Linear)
    i = index + origin[1]
    @inbounds rho[i] = density_of(theta[i], salinity[i], z[i], c)
end

"The constants have the precision of the arrays."
function specialize(; constants...)
    c = values(constants)
    function density(backend, box, theta, salinity, z, rho)
        origin, sizes = extents(box)
        density!(backend)(rho, theta, salinity, z, c, origin; ndrange = sizes)
    end
    return (; density)
end

end
