"""
dT/dt = d/dz(kappa dT/dz) by backward Euler with KernelAbstractions as its users write it: a work-item
a column. c takes the place of the temperature, which nobody reads after the step.
"""
module column_ka

using KernelAbstractions
using ..JouliaKernels: each_item

@kernel function mix!(temperature, out, stable, unstable, cooling, z0, z1, origin)
    index = @index(Global, NTuple)
    x, y = index .+ origin
    below = d = e = zero(eltype(out))
    @inbounds for z in z0+1:z1
        right, above = temperature[x, y, z], zero(eltype(out))
        if z < z1
            above = temperature[x, y, z+1] < right ? unstable : stable
        else
            right -= cooling
        end
        s = 1 + below * e
        d = (right + below * d) / (s + above)
        e = s / (s + above)
        temperature[x, y, z] = above / (s + above)
        out[x, y, z] = d
        below = above
    end
    @inbounds for k in 1:z1-z0-1
        z = z1 - k
        out[x, y, z] += temperature[x, y, z] * out[x, y, z+1]
    end
end

mix(backend, box, args...) = each_item(mix!, backend, box[3:6], args..., box[1], box[2])

end
