# Fluxes through faces, upwind with WENO5-Z (Borges et al. 2008), of third and first order near walls, and
# centred diffusion. A module that includes this has JouliaKernels' `muladd`.

"""
The weights of WENO5-Z over one denominator: alpha_k ~ C_k (e_k + tau^2) prod_{j != k} e_j with
e_k = (beta_k + eps)^2, everything times 4.
"""
@inline function weights(beta0::Float64, beta1::Float64, beta2::Float64)
    tau = beta0 - beta2
    tau2 = tau * tau
    e0, e1, e2 = (beta0 + 4e-8)^2, (beta1 + 4e-8)^2, (beta2 + 4e-8)^2
    return 3.0 * (e0 + tau2) * (e1 * e2), 6.0 * (e1 + tau2) * (e0 * e2), (e2 + tau2) * (e0 * e1)
end

"With a division each: those products would underflow."
@inline function weights(beta0::Float32, beta1::Float32, beta2::Float32)
    tau = abs(beta0 - beta2)
    ratio0, ratio1 = tau / (beta0 + 4f-8), tau / (beta1 + 4f-8)
    ratio2 = tau / (beta2 + 4f-8)
    return muladd(3f0, ratio0 * ratio0, 3f0), muladd(6f0, ratio1 * ratio1, 6f0),
           muladd(ratio2, ratio2, 1f0)
end

@inline beta(curve::T, slope::T) where {T} =
    muladd(T(13), curve * curve, T(3) * (slope * slope))

"""
The value at the face between the upwind cell and the next: a and b are the differences of the two
cells upwind of it, d and e of those downwind.
"""
@inline function weno5(upwind::T, a::T, b::T, d::T, e::T) where {T}
    w0, w1, w2 = weights(beta(muladd(T(-2), d, e), muladd(T(-4), d, e)),
                         beta(b + d, b - d),
                         beta(muladd(T(-2), b, a), muladd(T(-4), b, a)))
    parts = muladd(w0, muladd(T(5), d, -e),
                   muladd(w1, muladd(T(2), d, -b), w2 * muladd(T(2), a, T(-7) * b)))
    return upwind + parts / (T(6) * (w0 + w1 + w2))
end

"The same of third order: b is the difference upwind, d that downwind."
@inline function weno3(upwind::T, b::T, d::T) where {T}
    beta0, beta1 = d * d, b * b
    tau = abs(beta0 - beta1)
    ratio0, ratio1 = tau / (beta0 + T(1e-8)), tau / (beta1 + T(1e-8))
    w0, w1 = muladd(T(2), ratio0 * ratio0, T(2)), muladd(ratio1, ratio1, T(1))
    return upwind + muladd(w0, d, -w1 * b) / (T(2) * (w0 + w1))
end

"What the velocity carries of a face value, and diffusion between the cells on its sides."
@inline flux(velocity, value, before, after, k) = muladd(velocity, value, -k * (after - before))

"The flux through the face between `before` and `after`; the other cells lie beyond in a line."
@inline function flux5(velocity::T, before3::T, before2::T, before::T, after::T, after2::T,
                       after3::T, k::T) where {T}
    forward = velocity > zero(T)
    upwind = ifelse(forward, before, after)
    a = ifelse(forward, before3, after3) - upwind
    b = ifelse(forward, before2, after2) - upwind
    d = ifelse(forward, after, before) - upwind
    e = ifelse(forward, after2, before2) - upwind
    return flux(velocity, weno5(upwind, a, b, d, e), before, after, k)
end

"Two cells away from a wall."
@inline function flux3(velocity::T, before2::T, before::T, after::T, after2::T, k::T) where {T}
    forward = velocity > zero(T)
    upwind = ifelse(forward, before, after)
    b = ifelse(forward, before2, after2) - upwind
    d = ifelse(forward, after, before) - upwind
    return flux(velocity, weno3(upwind, b, d), before, after, k)
end

"One cell away from a wall."
@inline flux1(velocity::T, before::T, after::T, k::T) where {T} =
    flux(velocity, ifelse(velocity > zero(T), before, after), before, after, k)
