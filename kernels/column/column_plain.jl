"dT/dt = d/dz(kappa dT/dz) by backward Euler in plain Julia: Thomas' algorithm for rows of columns."
module column_plain

function mix(_, (z0, z1, y0, y1, x0, x1), temperature, out::Array{T}, stable, unstable,
             cooling) where {T}
    Threads.@threads :static for y in y0+1:y1
        c = Matrix{T}(undef, x1 - x0, z1 - z0)
        below, d, e = zeros(T, x1 - x0), zeros(T, x1 - x0), zeros(T, x1 - x0)
        @inbounds for z in z0+1:z1, i in 1:x1-x0
            x = x0 + i
            right, above = temperature[x, y, z], zero(T)
            if z < z1
                above = temperature[x, y, z+1] < right ? unstable : stable
            else
                right -= cooling
            end
            s = 1 + below[i] * e[i]
            d[i] = (right + below[i] * d[i]) / (s + above)
            e[i] = s / (s + above)
            c[i, z-z0] = above / (s + above)
            out[x, y, z] = d[i]
            below[i] = above
        end
        @inbounds for z in z1-1:-1:z0+1, i in 1:x1-x0
            out[x0+i, y, z] += c[i, z-z0] * out[x0+i, y, z+1]
        end
    end
end

end
