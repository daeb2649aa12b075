! A = -lap on cell centres in Fortran. All of a V-cycle is the combination
! u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t): sweeps x + omega (b - A x), averages
! of the residual, and sweeps of a corrected x. Beyond a wall is the value inside.
module levels
  use given
contains
  ! The cell that one is a part of on the coarser grid: the first cell, 1, has the parent o.
  pure integer function parent(cell, s, o)
    integer, intent(in) :: cell, s, o
    parent = shifta(cell - 1, s) + o
  end function
end module

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
  integer :: i, j, k, part, w, y, z, low, high

  !$omp parallel do private(low, high, part, w, y, z)
  do k = z0, z1 - 1
    do j = y0, y1 - 1
      ! By rows of the cells that one is made up of, so that loops along x become vectors.
      do part = 0, shiftl(1, sz + sy) - 1
        z = shiftl(k - oz, sz) + 1 + shiftr(part, sy)
        y = shiftl(j - oy, sy) + 1 + iand(part, shiftl(1, sy) - 1)
        low = max(z - 1, bottom)
        high = min(z + 1, top - 1)
        if (part == 0) coarse(x0:x1-1, j, k) = 0
        if (sx == 0) then
          !$omp simd private(w)
          do i = x0, x1 - 1
            w = i - ox + 1
            coarse(i, j, k) = coarse(i, j, k) + combined(w, y, z, low, high)
          end do
        else
          !$omp simd private(w)
          do i = x0, x1 - 1
            w = 2 * (i - ox) + 1
            coarse(i, j, k) = coarse(i, j, k) + combined(w, y, z, low, high) &
              + combined(w + 1, y, z, low, high)
          end do
        end if
      end do
    end do
  end do

contains

  pure real(rk) function combined(i, y, z, low, high)
    integer, intent(in) :: i, y, z, low, high
    combined = u * x(i, y, z) + v * b(i, y, z) &
      + wx * (x(i-1, y, z) + x(i+1, y, z)) &
      + wy * (x(i, y-1, z) + x(i, y+1, z)) &
      + wz * (x(i, y, low) + x(i, y, high))
  end function
end subroutine

subroutine correct(nz, ny, nx, z0, z1, y0, y1, x0, x1, x, coarse, b, out, sz, sy, sx, oz, oy, ox, &
                   my, mx, bottom, top, u, v, wx, wy, wz) bind(c)
  use levels
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  integer(c_int), value :: sz, sy, sx, oz, oy, ox, my, mx, bottom, top
  real(rk), intent(in) :: x(0:nx-1, 0:ny-1, 0:nz-1), b(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(in) :: coarse(0:mx-1, 0:my-1, 0:*)
  real(rk), intent(inout) :: out(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: u, v, wx, wy, wz
  integer :: i, y, z, low, high, c, s, n, k, below, above, w, p, e

  !$omp parallel do private(low, high, c, s, n, k, below, above)
  do z = z0, z1 - 1
    low = max(z - 1, bottom)
    high = min(z + 1, top - 1)
    k = parent(z, sz, oz)
    below = parent(low, sz, oz)
    above = parent(high, sz, oz)
    do y = y0, y1 - 1
      c = parent(y, sy, oy)
      s = parent(y - 1, sy, oy)
      n = parent(y + 1, sy, oy)
      !$omp simd private(w, p, e)
      do i = x0, x1 - 1
        w = parent(i - 1, sx, ox)
        p = parent(i, sx, ox)
        e = parent(i + 1, sx, ox)
        out(i, y, z) = u * (x(i, y, z) + coarse(p, c, k)) + v * b(i, y, z) &
          + wx * ((x(i-1, y, z) + coarse(w, c, k)) + (x(i+1, y, z) + coarse(e, c, k))) &
          + wy * ((x(i, y-1, z) + coarse(p, s, k)) + (x(i, y+1, z) + coarse(p, n, k))) &
          + wz * ((x(i, y, low) + coarse(p, c, below)) + (x(i, y, high) + coarse(p, c, above)))
      end do
    end do
  end do
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
