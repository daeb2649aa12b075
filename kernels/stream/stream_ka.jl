"STREAM (McCalpin) with KernelAbstractions as its users write it: a work-item an element."
module stream_ka

using KernelAbstractions
using ..JouliaKernels: each_item, muladd
using ..stream: CHAIN, PASSES

@kernel function copied!(@Const(c), a, origin)
    index = @index(Global, Linear)
    x = index + origin[1]
    @inbounds a[x] = c[x]
end

@kernel function triad!(@Const(b), @Const(c), a, s, origin)
    index = @index(Global, Linear)
    x = index + origin[1]
    @inbounds a[x] = b[x] + s * c[x]
end

@kernel function multiply_add!(@Const(b), a, s, origin)
    index = @index(Global, Linear)
    x = index + origin[1]
    @inbounds y = b[x]
    for _ in 1:CHAIN*PASSES
        y = @inbounds muladd(y, s, b[x])
    end
    @inbounds a[x] = y
end

copy_to(backend, box, args...) = each_item(copied!, backend, box, args...)
triad(backend, box, args...) = each_item(triad!, backend, box, args...)
multiply_add(backend, box, args...) = each_item(multiply_add!, backend, box, args...)

end
