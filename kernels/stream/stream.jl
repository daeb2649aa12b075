"STREAM (McCalpin) with KernelAbstractions: a = c, a = b + s c, and chains of y = y s + b."
module stream

using Base.Cartesian: @nexprs
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
# first-level cache. Four elements, ROWS apart, take turns, so that a core's units need not wait for
# each other's results. All is written out by macros: the vectoriser stops at a loop or a closure.
const CHAIN, PASSES, ROWS = 16, 64, 256
const SMALL = 4ROWS

@inline function fma_rows(first, b, a, s)
    @inbounds @simd ivdep for i in first:first+ROWS-1
        @nexprs 4 lane -> plus_lane = b[i+(lane-1)*ROWS]
        @nexprs 4 lane -> y_lane = a[i+(lane-1)*ROWS]
        @nexprs 16 update -> @nexprs 4 lane -> y_lane = muladd(y_lane, s, plus_lane)
        @nexprs 4 lane -> a[i+(lane-1)*ROWS] = y_lane
    end
end

@inline function fma_block(xs, scratch, b, a, s)
    length(xs) < SMALL && return fma_cell(xs, b, a, s)
    @inbounds @simd ivdep for x in xs
        a[x] = b[x]
    end
    for _ in 1:PASSES
        fma_rows(first(xs), b, a, s)
    end
end

"The same in a register, where a work-item has one element."
@inline function fma_cell(xs, b, a, s)
    @inbounds for x in xs
        plus = b[x]
        y = plus
        for _ in 1:PASSES*CHAIN
            y = muladd(y, s, plus)
        end
        a[x] = y
    end
end

multiply_add(device::OneCell, box, b, a, s) = each_row(fma_cell, device, box, b, a, s)
multiply_add(backend, box, b, a, s) = each_block(fma_block, backend, box, (SMALL,), (0,), b, a, s)
copy_to(backend, box, c, a) = each_row(copy_part, backend, box, c, a)
triad(backend, box, b, c, a, s) = each_row(triad_part, backend, box, b, c, a, s)

end
