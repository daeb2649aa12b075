"heat with KernelAbstractions: rows of unit stride, in differences from the centre."
module heat

using ..JouliaKernels: each_row

@inline function diffuse_row(xs, y, z, u, out, cx, cy, cz)
    @inbounds @simd ivdep for x in xs
        c = u[x, y, z]
        dx = (u[x-1, y, z] - c) + (u[x+1, y, z] - c)
        dy = (u[x, y-1, z] - c) + (u[x, y+1, z] - c)
        dz = (u[x, y, z-1] - c) + (u[x, y, z+1] - c)
        out[x, y, z] = muladd(cz, dz, muladd(cy, dy, muladd(cx, dx, c)))
    end
end

diffuse(backend, box, u, out, cx, cy, cz) =
    each_row(diffuse_row, backend, box, u, out, cx, cy, cz)

end
