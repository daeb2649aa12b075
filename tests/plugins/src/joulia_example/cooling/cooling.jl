module cooling

using ..JouliaKernels: each_row

@inline function cool_part(xs, t, factor)
    @inbounds @simd ivdep for x in xs
        t[x] *= factor
    end
end

cool(backend, box, t, factor) = each_row(cool_part, backend, box, t, factor)

end
