# The polynomial of Roquet et al. (2015) by Horner's rule; `evalpoly` would leave it to the compiler
# where a product and a sum are one instruction.

"rho = r0(zeta) + r'(tau, s, zeta) in kg/m3 of Theta (degrees C), salinity (g/kg) and z (m, upwards)."
@inline function density_of(theta, salinity, z, c)
    tau = theta * c.per_theta
    s = sqrt((salinity + c.s_shift) * c.per_s)
    zeta = z * c.per_z
    reference = horner(zeta, (c.R00, c.R01, c.R02, c.R03, c.R04, c.R05)) * zeta
    anomaly3 = c.R003 + c.R013 * tau + c.R103 * s
    anomaly2 = horner(tau, (
        horner(s, (c.R002, c.R102, c.R202)),
        horner(s, (c.R012, c.R112)),
        c.R022))
    anomaly1 = horner(tau, (
        horner(s, (c.R001, c.R101, c.R201, c.R301, c.R401)),
        horner(s, (c.R011, c.R111, c.R211, c.R311)),
        horner(s, (c.R021, c.R121, c.R221)),
        horner(s, (c.R031, c.R131)),
        c.R041))
    anomaly0 = horner(tau, (
        horner(s, (c.R000, c.R100, c.R200, c.R300, c.R400, c.R500, c.R600)),
        horner(s, (c.R010, c.R110, c.R210, c.R310, c.R410, c.R510)),
        horner(s, (c.R020, c.R120, c.R220, c.R320, c.R420)),
        horner(s, (c.R030, c.R130, c.R230, c.R330)),
        horner(s, (c.R040, c.R140, c.R240)),
        horner(s, (c.R050, c.R150)),
        c.R060))
    return reference + horner(zeta, (anomaly0, anomaly1, anomaly2, anomaly3))
end
