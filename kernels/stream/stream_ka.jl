"STREAM (McCalpin) with KernelAbstractions as its users write it: a work-item an element."
module stream_ka

using KernelAbstractions
using ..JouliaKernels: extents, muladd
using ..stream: CHAIN, PASSES

@kernel function copied!(a, @Const(c), origin)
    index = @index(Global, Linear)
    x = index + origin[1]
    @inbounds a[x] = c[x]
end

@kernel function triad!(a, @Const(b), @Const(c), s, origin)
    index = @index(Global, Linear)
    x = index + origin[1]
    @inbounds a[x] = b[x] + s * c[x]
end

@kernel function multiply_add!(a, @Const(b), s, origin)
    index = @index(Global, Linear)
    x = index + origin[1]
    @inbounds y = b[x]
    for _ in 1:CHAIN*PASSES
        y = @inbounds muladd(y, s, b[x])
    end
    @inbounds a[x] = y
end

function copy_to(backend, box, c, a)
    origin, sizes = extents(box)
    copied!(backend)(a, c, origin; ndrange = sizes)
end

function triad(backend, box, b, c, a, s)
    origin, sizes = extents(box)
    triad!(backend)(a, b, c, s, origin; ndrange = sizes)
end

function multiply_add(backend, box, b, a, s)
    origin, sizes = extents(box)
    multiply_add!(backend)(a, b, s, origin; ndrange = sizes)
end

end
