! dT/dt = d/dz(kappa dT/dz) by backward Euler in Fortran: Thomas' algorithm for rows of columns.
subroutine mix(nz, ny, nx, z0, z1, y0, y1, x0, x1, temperature, out, stable, unstable, cooling) &
    bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  real(rk), intent(in) :: temperature(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: out(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: stable, unstable, cooling
  real(rk), allocatable :: c(:,:), d(:), e(:), below(:), above(:), right(:), s(:), inverse(:)
  integer :: y, z

  !$omp parallel private(c, d, e, below, above, right, s, inverse)
  allocate(c(x0:x1-1, z0:z1-1))
  allocate(d(x0:x1-1), e(x0:x1-1), below(x0:x1-1), above(x0:x1-1), right(x0:x1-1), &
           s(x0:x1-1), inverse(x0:x1-1))
  !$omp do
  do y = y0, y1 - 1
    below = 0
    d = 0
    e = 0
    do z = z0, z1 - 1
      right = temperature(x0:x1-1, y, z)
      if (z < z1 - 1) then
        above = merge(unstable, stable, temperature(x0:x1-1, y, z+1) < right)
      else
        right = right - cooling
        above = 0
      end if
      s = 1 + below * e
      inverse = 1 / (s + above)
      d = (right + below * d) * inverse
      e = s * inverse
      c(:, z) = above * inverse
      out(x0:x1-1, y, z) = d
      below = above
    end do
    do z = z1 - 2, z0, -1
      out(x0:x1-1, y, z) = out(x0:x1-1, y, z) + c(:, z) * out(x0:x1-1, y, z+1)
    end do
  end do
  !$omp end parallel
end subroutine
