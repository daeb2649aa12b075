! rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in Fortran.
module polynomial
  use given
contains
  ! The polynomials of Roquet et al. (2015) by Horner's rule, kg/m3.
  elemental real(rk) function density_at(theta, salinity, z) result(rho)
    real(rk), intent(in) :: theta, salinity, z
    real(rk) :: tau, s, zeta, r0, a0, a1, a2, a3

    tau = theta * per_theta
    s = sqrt((salinity + s_shift) * per_s)
    zeta = z * per_z
    a3 = R013 * tau + R103 * s + R003
    a2 = (R022 * tau + R112 * s + R012) * tau + (R202 * s + R102) * s + R002
    a1 = (((R041 * tau + R131 * s + R031) * tau + (R221 * s + R121) * s + R021) * tau &
          + ((R311 * s + R211) * s + R111) * s + R011) * tau &
       + (((R401 * s + R301) * s + R201) * s + R101) * s + R001
    a0 = (((((R060 * tau + R150 * s + R050) * tau + (R240 * s + R140) * s + R040) * tau &
            + ((R330 * s + R230) * s + R130) * s + R030) * tau &
           + (((R420 * s + R320) * s + R220) * s + R120) * s + R020) * tau &
          + ((((R510 * s + R410) * s + R310) * s + R210) * s + R110) * s + R010) * tau &
       + (((((R600 * s + R500) * s + R400) * s + R300) * s + R200) * s + R100) * s + R000
    r0 = (((((R05 * zeta + R04) * zeta + R03) * zeta + R02) * zeta + R01) * zeta + R00) * zeta
    rho = r0 + ((a3 * zeta + a2) * zeta + a1) * zeta + a0
  end function
end module

subroutine density(n, i0, i1, theta, salinity, z, rho) bind(c)
  use polynomial
  integer(c_int), value :: n, i0, i1
  real(rk), intent(in) :: theta(0:n-1), salinity(0:n-1), z(0:n-1)
  real(rk), intent(inout) :: rho(0:n-1)
  integer :: i

  !$omp parallel do simd
  do i = i0, i1 - 1
    rho(i) = density_at(theta(i), salinity(i), z(i))
  end do
end subroutine
