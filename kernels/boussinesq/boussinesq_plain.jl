"u* = a A + b B + g G(u) of Boussinesq flow in plain Julia: a cell after another, threads over planes."
module boussinesq_plain

include("pointwise.jl")

struct Predict{S} end

function (::Predict{S})(_, (z0, z1, y0, y1, x0, x1), u, v, w, b, ua, va, wa, ba, ub, vb, wb, bb, u1, v1,
                        w1, b1, bottom, top, idx, idy, idz, nu, kappa, f, n2, first, second,
                        gain) where {S}
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds begin
                du, dv, dw, db = rates(S, u, v, w, b, bottom, top, idx, idy, idz, nu, kappa, f, n2,
                                       x, y, z)
                u1[x, y, z] = first * ua[x, y, z] + second * ub[x, y, z] + gain * du
                v1[x, y, z] = first * va[x, y, z] + second * vb[x, y, z] + gain * dv
                w1[x, y, z] = first * wa[x, y, z] + second * wb[x, y, z] + gain * dw
                b1[x, y, z] = first * ba[x, y, z] + second * bb[x, y, z] + gain * db
            end
        end
    end
end

function divergence(_, (z0, z1, y0, y1, x0, x1), u, v, w, rhs, sx, sy, sz)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds rhs[x, y, z] = sx * (u[x+1, y, z] - u[x, y, z]) +
                                     sy * (v[x, y+1, z] - v[x, y, z]) +
                                     sz * (w[x, y, z+1] - w[x, y, z])
        end
    end
end

function project(_, (z0, z1, y0, y1, x0, x1), p, u, v, w, bottom, gx, gy, gz)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds begin
                u[x, y, z] -= gx * (p[x, y, z] - p[x-1, y, z])
                v[x, y, z] -= gy * (p[x, y, z] - p[x, y-1, z])
                if z - 1 != bottom
                    w[x, y, z] -= gz * (p[x, y, z] - p[x, y, z-1])
                end
            end
        end
    end
end

"The precision is that of the arrays."
specialize(; single, advection) = (; predict = Predict{Int(advection)}(), divergence, project)

end
