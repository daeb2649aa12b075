"du/dt = kappa lap(u) in plain Julia: the seven points as they stand in the paper, threads over planes."
module heat_plain

function diffuse(_, (z0, z1, y0, y1, x0, x1), u, out, cx, cy, cz)
    Threads.@threads :static for z in z0+1:z1
        for y in y0+1:y1, x in x0+1:x1
            @inbounds out[x, y, z] = u[x, y, z] +
                cx * (u[x-1, y, z] - 2u[x, y, z] + u[x+1, y, z]) +
                cy * (u[x, y-1, z] - 2u[x, y, z] + u[x, y+1, z]) +
                cz * (u[x, y, z-1] - 2u[x, y, z] + u[x, y, z+1])
        end
    end
end

end
