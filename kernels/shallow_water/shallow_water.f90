! Rotating shallow water in Fortran, Sadourny's scheme on a C-grid. u lies on west faces, v on south
! faces, h at centres:
!
!   U = mean_x(h) u,  V = mean_y(h) v,  q = (f + dv/dx - du/dy) / mean_xy(h),
!   B = (mean_x(u^2) + mean_y(v^2)) / 2 + g h,
!   du/dt = mean_y(q mean_x(V)) - dB/dx,  dv/dt = -mean_x(q mean_y(U)) - dB/dy,
!   dh/dt = -dU/dx - dV/dy.
module sadourny
  use given
  real(rk), parameter :: half = 0.5_rk, quarter = 0.25_rk
contains
  ! Transports through a west and a south face.
  pure real(rk) function along_x(u, h, nx, x, y)
    integer, value :: nx, x, y
    real(rk), intent(in) :: u(0:nx-1, 0:*), h(0:nx-1, 0:*)
    along_x = half * (h(x-1, y) + h(x, y)) * u(x, y)
  end function

  pure real(rk) function along_y(v, h, nx, x, y)
    integer, value :: nx, x, y
    real(rk), intent(in) :: v(0:nx-1, 0:*), h(0:nx-1, 0:*)
    along_y = half * (h(x, y-1) + h(x, y)) * v(x, y)
  end function

  ! Potential vorticity at a south-west corner.
  pure real(rk) function q(u, v, h, nx, x, y, f, idx, idy)
    integer, value :: nx, x, y
    real(rk), intent(in) :: u(0:nx-1, 0:*), v(0:nx-1, 0:*), h(0:nx-1, 0:*), f, idx, idy
    q = (f + (v(x, y) - v(x-1, y)) * idx - (u(x, y) - u(x, y-1)) * idy) &
      / (quarter * (h(x-1, y-1) + h(x, y-1) + h(x-1, y) + h(x, y)))
  end function

  ! The Bernoulli function at a centre.
  pure real(rk) function bernoulli(u, v, h, nx, x, y, g)
    integer, value :: nx, x, y
    real(rk), intent(in) :: u(0:nx-1, 0:*), v(0:nx-1, 0:*), h(0:nx-1, 0:*), g
    bernoulli = quarter * (u(x, y)**2 + u(x+1, y)**2 + v(x, y)**2 + v(x, y+1)**2) + g * h(x, y)
  end function

  ! du/dt, dv/dt and dh/dt of a cell.
  pure subroutine rates(u, v, h, nx, x, y, f, g, idx, idy, du, dv, dh)
    integer, value :: nx, x, y
    real(rk), intent(in) :: u(0:nx-1, 0:*), v(0:nx-1, 0:*), h(0:nx-1, 0:*), f, g, idx, idy
    real(rk), intent(out) :: du, dv, dh
    real(rk) :: corner, here

    corner = q(u, v, h, nx, x, y, f, idx, idy)
    here = bernoulli(u, v, h, nx, x, y, g)
    du = quarter * (corner * (along_y(v, h, nx, x-1, y) + along_y(v, h, nx, x, y)) &
                    + q(u, v, h, nx, x, y+1, f, idx, idy) &
                      * (along_y(v, h, nx, x-1, y+1) + along_y(v, h, nx, x, y+1))) &
       - (here - bernoulli(u, v, h, nx, x-1, y, g)) * idx
    dv = -quarter * (corner * (along_x(u, h, nx, x, y-1) + along_x(u, h, nx, x, y)) &
                     + q(u, v, h, nx, x+1, y, f, idx, idy) &
                       * (along_x(u, h, nx, x+1, y-1) + along_x(u, h, nx, x+1, y))) &
       - (here - bernoulli(u, v, h, nx, x, y-1, g)) * idy
    dh = (along_x(u, h, nx, x, y) - along_x(u, h, nx, x+1, y)) * idx &
       + (along_y(v, h, nx, x, y) - along_y(v, h, nx, x, y+1)) * idy
  end subroutine
end module

! state1 = state + first G(state).
subroutine stage1(ny, nx, y0, y1, x0, x1, u, v, h, u1, v1, h1, f, g, idx, idy, first) bind(c)
  use sadourny
  integer(c_int), value :: ny, nx, y0, y1, x0, x1
  real(rk), dimension(0:nx-1, 0:ny-1), intent(in) :: u, v, h
  real(rk), dimension(0:nx-1, 0:ny-1), intent(inout) :: u1, v1, h1
  real(rk), value :: f, g, idx, idy, first
  real(rk) :: du, dv, dh
  integer :: x, y

  !$omp parallel do private(du, dv, dh)
  do y = y0, y1 - 1
    !$omp simd private(du, dv, dh)
    do x = x0, x1 - 1
      call rates(u, v, h, nx, x, y, f, g, idx, idy, du, dv, dh)
      u1(x, y) = u(x, y) + first * du
      v1(x, y) = v(x, y) + first * dv
      h1(x, y) = h(x, y) + first * dh
    end do
  end do
end subroutine

! state2 = state1 + second G(state1) + history (state1 - state), and state = state2 + ahead G(state1),
! which the third stage adds to.
subroutine stage2(ny, nx, y0, y1, x0, x1, u1, v1, h1, u, v, h, u2, v2, h2, &
                  f, g, idx, idy, second, history, ahead) bind(c)
  use sadourny
  integer(c_int), value :: ny, nx, y0, y1, x0, x1
  real(rk), dimension(0:nx-1, 0:ny-1), intent(in) :: u1, v1, h1
  real(rk), dimension(0:nx-1, 0:ny-1), intent(inout) :: u, v, h, u2, v2, h2
  real(rk), value :: f, g, idx, idy, second, history, ahead
  real(rk) :: du, dv, dh
  integer :: x, y

  !$omp parallel do private(du, dv, dh)
  do y = y0, y1 - 1
    !$omp simd private(du, dv, dh)
    do x = x0, x1 - 1
      call rates(u1, v1, h1, nx, x, y, f, g, idx, idy, du, dv, dh)
      u2(x, y) = u1(x, y) + second * du + history * (u1(x, y) - u(x, y))
      v2(x, y) = v1(x, y) + second * dv + history * (v1(x, y) - v(x, y))
      h2(x, y) = h1(x, y) + second * dh + history * (h1(x, y) - h(x, y))
      u(x, y) = u2(x, y) + ahead * du
      v(x, y) = v2(x, y) + ahead * dv
      h(x, y) = h2(x, y) + ahead * dh
    end do
  end do
end subroutine

! state += third G(state2).
subroutine stage3(ny, nx, y0, y1, x0, x1, u2, v2, h2, u, v, h, f, g, idx, idy, third) bind(c)
  use sadourny
  integer(c_int), value :: ny, nx, y0, y1, x0, x1
  real(rk), dimension(0:nx-1, 0:ny-1), intent(in) :: u2, v2, h2
  real(rk), dimension(0:nx-1, 0:ny-1), intent(inout) :: u, v, h
  real(rk), value :: f, g, idx, idy, third
  real(rk) :: du, dv, dh
  integer :: x, y

  !$omp parallel do private(du, dv, dh)
  do y = y0, y1 - 1
    !$omp simd private(du, dv, dh)
    do x = x0, x1 - 1
      call rates(u2, v2, h2, nx, x, y, f, g, idx, idy, du, dv, dh)
      u(x, y) = u(x, y) + third * du
      v(x, y) = v(x, y) + third * dv
      h(x, y) = h(x, y) + third * dh
    end do
  end do
end subroutine
