"Rotating shallow water in plain Julia: a cell after another, threads over rows."
module shallow_water_plain

include("pointwise.jl")

function stage1(_, (y0, y1, x0, x1), u, v, h, u1, v1, h1, f, g, idx, idy, first)
    Threads.@threads :static for y in y0+1:y1
        for x in x0+1:x1
            @inbounds begin
                du, dv, dh = rates(u, v, h, f, g, idx, idy, x, y)
                u1[x, y] = u[x, y] + first * du
                v1[x, y] = v[x, y] + first * dv
                h1[x, y] = h[x, y] + first * dh
            end
        end
    end
end

function stage2(_, (y0, y1, x0, x1), u1, v1, h1, u, v, h, u2, v2, h2, f, g, idx, idy, second,
                weight, ahead)
    Threads.@threads :static for y in y0+1:y1
        for x in x0+1:x1
            @inbounds begin
                du, dv, dh = rates(u1, v1, h1, f, g, idx, idy, x, y)
                u2[x, y] = u1[x, y] + (second * du + weight * (u1[x, y] - u[x, y]))
                v2[x, y] = v1[x, y] + (second * dv + weight * (v1[x, y] - v[x, y]))
                h2[x, y] = h1[x, y] + (second * dh + weight * (h1[x, y] - h[x, y]))
                u[x, y] = u2[x, y] + ahead * du
                v[x, y] = v2[x, y] + ahead * dv
                h[x, y] = h2[x, y] + ahead * dh
            end
        end
    end
end

function stage3(_, (y0, y1, x0, x1), u2, v2, h2, u, v, h, f, g, idx, idy, third)
    Threads.@threads :static for y in y0+1:y1
        for x in x0+1:x1
            @inbounds begin
                du, dv, dh = rates(u2, v2, h2, f, g, idx, idy, x, y)
                u[x, y] += third * du
                v[x, y] += third * dv
                h[x, y] += third * dh
            end
        end
    end
end

end
