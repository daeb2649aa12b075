# Fluxes through faces by WENO5-Z as Borges et al. (2008) write it; the scheme's small number.
const EPS = 1e-8

"The value at the face between c and d, from the left, in differences from c."
@inline function weno5(a, b, c::T, d, e) where {T}
    a, b, d, e = a - c, b - c, d - c, e - c
    beta0 = (13(e - 2d)^2 + 3(e - 4d)^2) / 4
    beta1 = (13(b + d)^2 + 3(b - d)^2) / 4
    beta2 = (13(a - 2b)^2 + 3(a - 4b)^2) / 4
    tau = abs(beta0 - beta2)
    alpha0 = 3(1 + (tau / (beta0 + T(EPS)))^2)
    alpha1 = 6(1 + (tau / (beta1 + T(EPS)))^2)
    alpha2 = 1 + (tau / (beta2 + T(EPS)))^2
    parts = alpha0 * (5d - e) + alpha1 * (2d - b) + alpha2 * (2a - 7b)
    return c + parts / (6(alpha0 + alpha1 + alpha2))
end

"Of third order, from two cells on the left and one on the right."
@inline function weno3(b, c::T, d) where {T}
    b, d = b - c, d - c
    beta0, beta1 = d^2, b^2
    tau = abs(beta0 - beta1)
    alpha0 = 2(1 + (tau / (beta0 + T(EPS)))^2)
    alpha1 = 1 + (tau / (beta1 + T(EPS)))^2
    return c + (alpha0 * d - alpha1 * b) / (2(alpha0 + alpha1))
end
