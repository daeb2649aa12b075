! The value at a face by WENO5-Z as Borges et al. (2008) write it, and of third order.
module weno
  use given
  real(rk), parameter :: eps = 1e-8_rk
contains
  ! The value at the face between c and d, from the left, in differences from c.
  pure real(rk) function weno5(far, near, c, after, beyond)
    real(rk), intent(in) :: far, near, c, after, beyond
    real(rk) :: a, b, d, e, beta0, beta1, beta2, tau, alpha0, alpha1, alpha2

    a = far - c
    b = near - c
    d = after - c
    e = beyond - c
    beta0 = (13 * (e - 2 * d)**2 + 3 * (e - 4 * d)**2) / 4
    beta1 = (13 * (b + d)**2 + 3 * (b - d)**2) / 4
    beta2 = (13 * (a - 2 * b)**2 + 3 * (a - 4 * b)**2) / 4
    tau = abs(beta0 - beta2)
    alpha0 = 0.3_rk * (1 + (tau / (beta0 + eps))**2)
    alpha1 = 0.6_rk * (1 + (tau / (beta1 + eps))**2)
    alpha2 = 0.1_rk * (1 + (tau / (beta2 + eps))**2)
    weno5 = c + (alpha0 * (5 * d - e) + alpha1 * (2 * d - b) + alpha2 * (2 * a - 7 * b)) &
              / (6 * (alpha0 + alpha1 + alpha2))
  end function

  ! Of third order, from two cells on the left and one on the right.
  pure real(rk) function weno3(near, c, after)
    real(rk), intent(in) :: near, c, after
    real(rk) :: b, d, beta0, beta1, tau, alpha0, alpha1

    b = near - c
    d = after - c
    beta0 = d**2
    beta1 = b**2
    tau = abs(beta0 - beta1)
    alpha0 = 2 * (1 + (tau / (beta0 + eps))**2)
    alpha1 = 1 + (tau / (beta1 + eps))**2
    weno3 = c + (alpha0 * d - alpha1 * b) / (2 * (alpha0 + alpha1))
  end function
end module
