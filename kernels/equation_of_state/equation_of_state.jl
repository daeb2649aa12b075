"""
rho = r0(zeta) + r'(tau, s, zeta), density of sea water, with KernelAbstractions.

The coefficients are constants from coefficients.py.
"""
module equation_of_state

using ..JouliaKernels: each_row, horner, muladd, root

@inline function points(xs, theta, salinity, z, rho, c)
    @inbounds @simd ivdep for i in xs
        tau = theta[i] * c.per_theta
        s = root((salinity[i] + c.s_shift) * c.per_s)
        zeta = z[i] * c.per_z
        # The innermost polynomials are of tau: they need not wait for the root.
        r3 = muladd(c.R103, s, muladd(c.R013, tau, c.R003))
        r2 = horner(s, (horner(tau, (c.R002, c.R012, c.R022)),
                        muladd(c.R112, tau, c.R102), c.R202))
        r1 = horner(s, (horner(tau, (c.R001, c.R011, c.R021, c.R031, c.R041)),
                        horner(tau, (c.R101, c.R111, c.R121, c.R131)),
                        horner(tau, (c.R201, c.R211, c.R221)),
                        muladd(c.R311, tau, c.R301), c.R401))
        r0 = horner(s, (horner(tau, (c.R000, c.R010, c.R020, c.R030, c.R040, c.R050, c.R060)),
                        horner(tau, (c.R100, c.R110, c.R120, c.R130, c.R140, c.R150)),
                        horner(tau, (c.R200, c.R210, c.R220, c.R230, c.R240)),
                        horner(tau, (c.R300, c.R310, c.R320, c.R330)),
                        horner(tau, (c.R400, c.R410, c.R420)),
                        muladd(c.R510, tau, c.R500), c.R600))
        profile = horner(zeta, (c.R00, c.R01, c.R02, c.R03, c.R04, c.R05))
        rho[i] = muladd(profile, zeta, horner(zeta, (r0, r1, r2, r3)))
    end
end

"The constants in a precision; the arithmetic takes that of its widest operand."
converted(::Type{T}, constants) where {T} =
    NamedTuple{keys(constants)}(Tuple(T[constants...]))

function specialize(; constants...)
    doubles, singles = converted(Float64, values(constants)), converted(Float32, values(constants))
    density(backend, box, theta::AbstractArray{Float64}, salinity, z, rho) =
        each_row(points, backend, box, theta, salinity, z, rho, doubles)
    density(backend, box, theta::AbstractArray{Float32}, salinity, z, rho) =
        each_row(points, backend, box, theta, salinity, z, rho, singles)
    return (; density)
end

end
