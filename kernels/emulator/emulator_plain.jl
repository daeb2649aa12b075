"A perceptron for an interval of vertical mixing, and the solver it replaces, in plain Julia."
module emulator_plain

using Base.Threads: @threads

function forward(backend, box, t, out, q, weights, bias, starts, columns, plan, layers, widest,
                 interval)
    _, _, y0, y1, x0, x1 = box
    nz = size(t, 3)
    @threads :static for j in y0+1:y1
        x, y = zeros(eltype(t), widest), zeros(eltype(t), widest)
        for i in x0+1:x1
            for k in 1:nz-1
                x[k] = t[i, j, k+1] - t[i, j, k]
            end
            x[nz] = q[i, j]
            row = 0
            for layer in 1:layers
                for r in 1:plan[1, layer]
                    row += 1
                    total = bias[row]
                    for n in starts[row]+1:starts[row+1]
                        total += weights[n] * x[columns[n]+1]
                    end
                    y[r] = plan[2, layer] != 0 ? max(total, zero(total)) : total
                end
                x, y = y, x
            end
            mean = sum(view(x, 1:nz)) / nz
            for k in 1:nz
                out[i, j, k] = t[i, j, k] + (x[k] - mean) - interval * q[i, j]
            end
        end
    end
end

"A step of `column`: backward Euler, Thomas' elimination with e = 1 - c."
function mix!(t, c, d, stable, unstable, cooling)
    e = below = zero(stable)
    n = length(t)
    for k in 1:n
        above = k == n ? zero(stable) : t[k+1] < t[k] ? unstable : stable
        s = 1 + below * e
        inverse = 1 / (s + above)
        e = s * inverse
        c[k] = above * inverse
        own = k == n ? t[k] - cooling : t[k]
        d[k] = (k > 1 ? own + below * d[k-1] : own) * inverse
        below = above
    end
    t[n] = d[n]
    for k in n-1:-1:1
        t[k] = d[k] + c[k] * t[k+1]
    end
end

"The smaller of two slopes of one sign, else none."
minmod(below, above) =
    below * above <= 0 ? zero(below) : below > 0 ? min(below, above) : max(below, above)

function solve(backend, box, t, out, q, parts, steps, stable, unstable, cooling)
    _, _, y0, y1, x0, x1 = box
    nz, T = size(t, 3), eltype(t)
    @threads :static for j in y0+1:y1
        fine, c, d = zeros(T, nz * parts), zeros(T, nz * parts), zeros(T, nz * parts)
        for i in x0+1:x1
            for k in 1:nz
                here = t[i, j, k]
                slope = minmod(here - t[i, j, max(k-1, 1)], t[i, j, min(k+1, nz)] - here)
                for p in 1:parts
                    fine[(k-1)*parts+p] = here + ((p - T(0.5)) / parts - T(0.5)) * slope
                end
            end
            for _ in 1:steps
                mix!(fine, c, d, stable, unstable, cooling * q[i, j])
            end
            for k in 1:nz
                out[i, j, k] = sum(view(fine, (k-1)*parts+1:k*parts)) / parts
            end
        end
    end
end

end
