! A = -lap on cell centres in Fortran. All of a V-cycle is the combination
! u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t): sweeps x + omega (b - A x), averages
! of the residual, and sweeps of a corrected x. Beyond a wall is the value inside.
subroutine sweep(nz, ny, nx, z0, z1, y0, y1, x0, x1, x, b, out, bottom, top, &
                 u, v, wx, wy, wz) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, bottom, top
  real(rk), intent(in) :: x(0:nx-1, 0:ny-1, 0:nz-1), b(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: out(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: u, v, wx, wy, wz
  integer :: i, y, z, low, high

  !$omp parallel do private(low, high)
  do z = z0, z1 - 1
    low = max(z - 1, bottom)
    high = min(z + 1, top - 1)
    do y = y0, y1 - 1
      !$omp simd
      do i = x0, x1 - 1
        out(i, y, z) = u * x(i, y, z) + v * b(i, y, z) &
          + wx * (x(i-1, y, z) + x(i+1, y, z)) &
          + wy * (x(i, y-1, z) + x(i, y+1, z)) &
          + wz * (x(i, y, low) + x(i, y, high))
      end do
    end do
  end do
end subroutine

subroutine coarsen(nz, ny, nx, z0, z1, y0, y1, x0, x1, x, b, coarse, sz, sy, sx, oz, oy, ox, &
                   my, mx, bottom, top, u, v, wx, wy, wz) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  integer(c_int), value :: sz, sy, sx, oz, oy, ox, my, mx, bottom, top
  real(rk), intent(in) :: x(0:nx-1, 0:ny-1, 0:nz-1), b(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: coarse(0:mx-1, 0:my-1, 0:*)
  real(rk), value :: u, v, wx, wy, wz
  integer :: i, j, k, x_, y, z, low, high
  real(rk) :: total

  !$omp parallel do private(low, high, total, x_, y, z)
  do k = z0, z1 - 1
    do j = y0, y1 - 1
      do i = x0, x1 - 1
        total = 0
        do z = shiftl(k - oz, sz) + 1, shiftl(k - oz + 1, sz)
          low = max(z - 1, bottom)
          high = min(z + 1, top - 1)
          do y = shiftl(j - oy, sy) + 1, shiftl(j - oy + 1, sy)
            do x_ = shiftl(i - ox, sx) + 1, shiftl(i - ox + 1, sx)
              total = total + (u * x(x_, y, z) + v * b(x_, y, z) &
                + wx * (x(x_-1, y, z) + x(x_+1, y, z)) &
                + wy * (x(x_, y-1, z) + x(x_, y+1, z)) &
                + wz * (x(x_, y, low) + x(x_, y, high)))
            end do
          end do
        end do
        coarse(i, j, k) = total
      end do
    end do
  end do
end subroutine

subroutine correct(nz, ny, nx, z0, z1, y0, y1, x0, x1, x, coarse, b, out, sz, sy, sx, oz, oy, ox, &
                   my, mx, bottom, top, u, v, wx, wy, wz) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  integer(c_int), value :: sz, sy, sx, oz, oy, ox, my, mx, bottom, top
  real(rk), intent(in) :: x(0:nx-1, 0:ny-1, 0:nz-1), b(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(in) :: coarse(0:mx-1, 0:my-1, 0:*)
  real(rk), intent(inout) :: out(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: u, v, wx, wy, wz
  integer :: i, y, z, low, high

  !$omp parallel do private(low, high)
  do z = z0, z1 - 1
    low = max(z - 1, bottom)
    high = min(z + 1, top - 1)
    do y = y0, y1 - 1
      !$omp simd
      do i = x0, x1 - 1
        out(i, y, z) = u * raised(i, y, z) + v * b(i, y, z) &
          + wx * (raised(i-1, y, z) + raised(i+1, y, z)) &
          + wy * (raised(i, y-1, z) + raised(i, y+1, z)) &
          + wz * (raised(i, y, low) + raised(i, y, high))
      end do
    end do
  end do

contains

  ! x with the value of the cell's parent: the first cell, 1, has the parent o.
  pure real(rk) function raised(i, y, z)
    integer, intent(in) :: i, y, z
    raised = x(i, y, z) + coarse(shifta(i - 1, sx) + ox, shifta(y - 1, sy) + oy, &
                                 shifta(z - 1, sz) + oz)
  end function
end subroutine

subroutine add(nz, ny, nx, z0, z1, y0, y1, x0, x1, x, y, a, c) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  real(rk), intent(in) :: x(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: y(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: a, c
  integer :: i, j, k

  !$omp parallel do
  do k = z0, z1 - 1
    do j = y0, y1 - 1
      do i = x0, x1 - 1
        y(i, j, k) = a * x(i, j, k) + c * y(i, j, k)
      end do
    end do
  end do
end subroutine
