! du/dt = kappa lap(u) in Fortran: the seven points as they stand in the paper.
subroutine diffuse(nz, ny, nx, z0, z1, y0, y1, x0, x1, u, out, cx, cy, cz) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  real(rk), intent(in) :: u(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: out(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: cx, cy, cz
  integer :: x, y, z

  !$omp parallel do
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      !$omp simd
      do x = x0, x1 - 1
        out(x, y, z) = u(x, y, z) &
          + cx * (u(x-1, y, z) - 2 * u(x, y, z) + u(x+1, y, z)) &
          + cy * (u(x, y-1, z) - 2 * u(x, y, z) + u(x, y+1, z)) &
          + cz * (u(x, y, z-1) - 2 * u(x, y, z) + u(x, y, z+1))
      end do
    end do
  end do
end subroutine
