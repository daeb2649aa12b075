"STREAM (McCalpin) with KernelAbstractions: a = c, a = b + s c, and chains of y = y s + b."
module stream

using ..JouliaKernels: OneCell, each_block, each_row, muladd

@inline function copy_part(xs, c, a)
    @inbounds @simd ivdep for x in xs
        a[x] = c[x]
    end
end

@inline function triad_part(xs, b, c, a, s)
    @inbounds @simd ivdep for x in xs
        a[x] = muladd(s, c[x], b[x])
    end
end

# CHAIN multiply-adds an element and pass, as joulia.kernels.stream says, on a block that stays in the
# first-level cache.
const CHAIN, PASSES, SMALL = 16, 64, 1024

@inline chain(y, s, plus) = foldl((y, _) -> muladd(y, s, plus), ntuple(identity, Val(CHAIN)); init = y)

@inline function fma_block(xs, scratch, b, a, s)
    @inbounds @simd ivdep for x in xs
        a[x] = b[x]
    end
    for _ in 1:PASSES
        @inbounds @simd ivdep for x in xs
            a[x] = chain(a[x], s, b[x])
        end
    end
end

"The same in a register, where a work-item has one element."
@inline function fma_cell(xs, b, a, s)
    @inbounds for x in xs
        plus = b[x]
        y = plus
        for _ in 1:PASSES
            y = chain(y, s, plus)
        end
        a[x] = y
    end
end

multiply_add(device::OneCell, box, b, a, s) = each_row(fma_cell, device, box, b, a, s)
multiply_add(backend, box, b, a, s) = each_block(fma_block, backend, box, (SMALL,), (0,), b, a, s)
copy_to(backend, box, c, a) = each_row(copy_part, backend, box, c, a)
triad(backend, box, b, c, a, s) = each_row(triad_part, backend, box, b, c, a, s)

end
