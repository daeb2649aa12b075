"The density of sea water with KernelAbstractions as its users write it: a work-item a point."
module equation_of_state_ka

using KernelAbstractions
using ..JouliaKernels: each_item, horner

include("pointwise.jl")

@kernel function density!(@Const(theta), @Const(salinity), @Const(z), rho, c, origin)
    index = @index(Global, Linear)
    i = index + origin[1]
    @inbounds rho[i] = density_of(theta[i], salinity[i], z[i], c)
end

"The constants have the precision of the arrays."
function specialize(; constants...)
    c = values(constants)
    density(backend, box, arrays...) = each_item(density!, backend, box, arrays..., c)
    return (; density)
end

end
