"The density of sea water in plain Julia, threads over points."
module equation_of_state_plain

using ..JouliaKernels: horner

include("pointwise.jl")

"The constants have the precision of the arrays."
function specialize(; constants...)
    c = values(constants)
    function density(_, (x0, x1), theta, salinity, z, rho)
        Threads.@threads :static for i in x0+1:x1
            @inbounds rho[i] = density_of(theta[i], salinity[i], z[i], c)
        end
    end
    return (; density)
end

end
