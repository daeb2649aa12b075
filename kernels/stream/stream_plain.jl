"STREAM (McCalpin) in plain Julia: a = c, a = b + s c, and chains of y = y s + b."
module stream_plain

using ..JouliaKernels: muladd
using ..stream: CHAIN, PASSES

function copy_to(_, (x0, x1), c, a)
    Threads.@threads :static for x in x0+1:x1
        @inbounds a[x] = c[x]
    end
end

function triad(_, (x0, x1), b, c, a, s)
    Threads.@threads :static for x in x0+1:x1
        @inbounds a[x] = b[x] + s * c[x]
    end
end

function multiply_add(_, (x0, x1), b, a, s)
    Threads.@threads :static for x in x0+1:x1
        @inbounds y = b[x]
        for _ in 1:CHAIN*PASSES
            y = @inbounds muladd(y, s, b[x])
        end
        @inbounds a[x] = y
    end
end

end
