"du/dt = kappa lap(u) with KernelAbstractions: rows of unit stride, in differences from the centre."
module heat

using ..JouliaKernels: each_row, muladd

@inline function diffuse_row(xs, y, z, u, out, cx, cy, cz)
    @inbounds @simd ivdep for x in xs
        here = u[x, y, z]
        dx = (u[x-1, y, z] - here) + (u[x+1, y, z] - here)
        dy = (u[x, y-1, z] - here) + (u[x, y+1, z] - here)
        dz = (u[x, y, z-1] - here) + (u[x, y, z+1] - here)
        out[x, y, z] = muladd(cz, dz, muladd(cy, dy, muladd(cx, dx, here)))
    end
end

diffuse(backend, box, u, out, cx, cy, cz) =
    each_row(diffuse_row, backend, box, u, out, cx, cy, cz)

end
