! A perceptron for an interval of vertical mixing, and the solver it replaces, in Fortran.
subroutine forward(nz, ny, nx, z0, z1, y0, y1, x0, x1, temperature, after, flux, weights, bias, &
                   starts, columns, plan, layers, widest, interval) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, layers, widest
  real(rk), intent(in) :: temperature(0:nx-1, 0:ny-1, 0:nz-1), flux(0:nx-1, 0:ny-1)
  real(rk), intent(inout) :: after(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), intent(in) :: weights(0:*), bias(0:*)
  integer(c_int), intent(in) :: starts(0:*), columns(0:*), plan(0:1, 0:layers-1)
  real(rk), value :: interval
  real(rk) :: a(0:widest-1, 0:1), total, mean
  integer :: i, j, k, l, n, r, row, from, to

  !$omp parallel do private(a, total, mean, i, k, l, n, r, row, from, to)
  do j = y0, y1 - 1
    do i = x0, x1 - 1
      from = 0
      do k = 0, nz - 2
        a(k, from) = temperature(i, j, k+1) - temperature(i, j, k)
      end do
      a(nz-1, from) = flux(i, j)
      row = 0
      do l = 0, layers - 1
        to = 1 - from
        do r = 0, plan(0, l) - 1
          total = bias(row)
          do n = starts(row), starts(row+1) - 1
            total = total + weights(n) * a(columns(n), from)
          end do
          if (plan(1, l) /= 0) total = max(total, 0.0_rk)
          a(r, to) = total
          row = row + 1
        end do
        from = to
      end do
      mean = sum(a(0:nz-1, from)) / nz
      do k = 0, nz - 1
        after(i, j, k) = temperature(i, j, k) + (a(k, from) - mean) - interval * flux(i, j)
      end do
    end do
  end do
end subroutine

subroutine solve(nz, ny, nx, z0, z1, y0, y1, x0, x1, temperature, after, flux, parts, steps, &
                 stable, unstable, cooling) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, parts, steps
  real(rk), intent(in) :: temperature(0:nx-1, 0:ny-1, 0:nz-1), flux(0:nx-1, 0:ny-1)
  real(rk), intent(inout) :: after(0:nx-1, 0:ny-1, 0:nz-1)
  real(rk), value :: stable, unstable, cooling
  real(rk) :: t(0:nz*parts-1), c(0:nz*parts-1), d(0:nz*parts-1), below, above, slope
  integer :: i, j, k, n, p

  !$omp parallel do private(t, c, d, below, above, slope, i, k, n, p)
  do j = y0, y1 - 1
    do i = x0, x1 - 1
      do k = 0, nz - 1
        below = temperature(i, j, k) - temperature(i, j, max(k-1, 0))
        above = temperature(i, j, min(k+1, nz-1)) - temperature(i, j, k)
        slope = 0
        if (below * above > 0) slope = sign(min(abs(below), abs(above)), below)
        do p = 0, parts - 1
          t(k*parts+p) = temperature(i, j, k) + ((p + 0.5_rk) / parts - 0.5_rk) * slope
        end do
      end do
      do n = 1, steps
        call mix(nz*parts, t, c, d, stable, unstable, cooling * flux(i, j))
      end do
      do k = 0, nz - 1
        after(i, j, k) = sum(t(k*parts:(k+1)*parts-1)) / parts
      end do
    end do
  end do

contains

  ! A step of `column`: backward Euler, Thomas' elimination with e = 1 - c.
  subroutine mix(levels, t, c, d, stable, unstable, cooling)
    integer, intent(in) :: levels
    real(rk), intent(inout) :: t(0:levels-1), c(0:levels-1), d(0:levels-1)
    real(rk), intent(in) :: stable, unstable, cooling
    real(rk) :: below, above, e, s, own
    integer :: k

    e = 0
    below = 0
    do k = 0, levels - 1
      above = 0
      own = t(k)
      if (k < levels - 1) then
        above = merge(unstable, stable, t(k+1) < t(k))
      else
        own = own - cooling
      end if
      s = 1 + below * e
      e = s / (s + above)
      c(k) = above / (s + above)
      if (k > 0) own = own + below * d(k-1)
      d(k) = own / (s + above)
      below = above
    end do
    t(levels-1) = d(levels-1)
    do k = levels - 2, 0, -1
      t(k) = d(k) + c(k) * t(k+1)
    end do
  end subroutine
end subroutine
