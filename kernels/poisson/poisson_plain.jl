"x + omega (b - A x), A = -lap in plain Julia: a cell after another, threads over planes."
module poisson_plain

include("pointwise.jl")

function sweep(_, (z0, z1, y0, y1, x0, x1), x, b, out, args...)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, i in x0+1:x1
            @inbounds out[i, y, z] = combination(x, b, i, y, z, args...)
        end
    end
end

function coarsen(_, (z0, z1, y0, y1, x0, x1), x, b, coarse, sz, sy, sx, oz, oy, ox, my, mx, args...)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, i in x0+1:x1
            @inbounds coarse[i, y, z] = summed(x, b, i, y, z, sz, sy, sx, oz, oy, ox, args...)
        end
    end
end

function correct(_, (z0, z1, y0, y1, x0, x1), x, coarse, b, out, sz, sy, sx, oz, oy, ox, my, mx,
                 args...)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, i in x0+1:x1
            @inbounds out[i, y, z] =
                corrected(x, coarse, b, i, y, z, sz, sy, sx, oz, oy, ox, args...)
        end
    end
end

function add(_, (z0, z1, y0, y1, x0, x1), x, y, a, c)
    Threads.@threads :static for k in z0+1:z1
        for j in y0+1:y1, i in x0+1:x1
            @inbounds y[i, j, k] = a * x[i, j, k] + c * y[i, j, k]
        end
    end
end

end
