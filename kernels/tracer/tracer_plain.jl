"dc/dt = -div(v c) + kappa lap(c) in plain Julia: a cell after another, threads over planes."
module tracer_plain

include("pointwise.jl")

function stage1(_, (z0, z1, y0, y1, x0, x1), c, u, v, w, c1, bottom, top, idx, idy, idz, kx, ky, kz,
                first)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds begin
                change = rate(c, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
                c1[x, y, z] = c[x, y, z] + first * change
            end
        end
    end
end

function stage2(_, (z0, z1, y0, y1, x0, x1), c1, u, v, w, c, c2, bottom, top, idx, idy, idz, kx, ky,
                kz, second, weight, ahead)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds begin
                change = rate(c1, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
                here = c1[x, y, z]
                c2[x, y, z] = here + (second * change + weight * (here - c[x, y, z]))
                c[x, y, z] = c2[x, y, z] + ahead * change
            end
        end
    end
end

function stage3(_, (z0, z1, y0, y1, x0, x1), c2, u, v, w, c, bottom, top, idx, idy, idz, kx, ky, kz,
                third)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds begin
                change = rate(c2, u, v, w, bottom, top, idx, idy, idz, kx, ky, kz, x, y, z)
                c[x, y, z] += third * change
            end
        end
    end
end

"The precision is that of the arrays."
specialize(; constants...) = (; stage1, stage2, stage3)

end
