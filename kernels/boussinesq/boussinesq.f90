! Boussinesq flow on a C-grid in Fortran: u* = a A + b B + g G(u), the divergence, and the projection.
!
! Compiled for: advection = 0 (centred means), 1 (WENO5-Z), 2 (nothing is carried). Fields are known
! by one index, `at`, and by steps in it; a field on the faces of an axis is carried by means of
! velocities that are a step `side` apart, b at centres by one velocity.
#include "_weno.f90"

module flow
  use weno
contains
  ! Through the face between q(at - jump) and q(at), with `reach` cells of q on either side; nothing
  ! goes through a wall.
  pure real(rk) function through(c, side, q, at, jump, reach, k)
    real(rk), intent(in) :: c(0:*), q(0:*), k
    integer(c_long), intent(in) :: side, at, jump
    integer, intent(in) :: reach
    real(rk) :: velocity, carried

    through = 0
    if (reach <= 0) return
    velocity = (c(at - side) + c(at)) / 2
    carried = 0
    if (advection == 0) carried = (q(at - jump) + q(at)) / 2
    if (advection == 1) carried = upwind(velocity > 0, q, at, jump, reach)
    through = velocity * carried - k * (q(at) - q(at - jump))
  end function

  pure real(rk) function upwind(forward, q, at, jump, reach)
    logical, intent(in) :: forward
    real(rk), intent(in) :: q(0:*)
    integer(c_long), intent(in) :: at, jump
    integer, intent(in) :: reach

    if (reach >= 3) then
      upwind = weno5(merge(q(at - 3 * jump), q(at + 2 * jump), forward), &
                     merge(q(at - 2 * jump), q(at + jump), forward), &
                     merge(q(at - jump), q(at), forward), merge(q(at), q(at - jump), forward), &
                     merge(q(at + jump), q(at - 2 * jump), forward))
    else if (reach == 2) then
      upwind = weno3(merge(q(at - 2 * jump), q(at + jump), forward), &
                     merge(q(at - jump), q(at), forward), merge(q(at), q(at - jump), forward))
    else
      upwind = merge(q(at - jump), q(at), forward)
    end if
  end function

  ! What flows into a cell, less what flows out; `below` and `above` are how far the walls are from
  ! its bottom.
  pure real(rk) function inflow(q, u, v, w, side, at, nx, plane, below, above, idx, idy, idz, k)
    real(rk), dimension(0:*), intent(in) :: q, u, v, w
    integer(c_long), intent(in) :: side, at, nx, plane
    integer, intent(in) :: below, above
    real(rk), intent(in) :: idx, idy, idz, k

    inflow = (through(u, side, q, at, 1_c_long, 3, k * idx) &
              - through(u, side, q, at + 1, 1_c_long, 3, k * idx)) * idx &
           + (through(v, side, q, at, nx, 3, k * idy) &
              - through(v, side, q, at + nx, nx, 3, k * idy)) * idy &
           + (through(w, side, q, at, plane, min(below, above), k * idz) &
              - through(w, side, q, at + plane, plane, min(below + 1, above - 1), k * idz)) * idz
  end function
end module

! (u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b).
subroutine predict(nz, ny, nx, z0, z1, y0, y1, x0, x1, u, v, w, b, ua, va, wa, ba, ub, vb, wb, bb, &
                   u1, v1, w1, b1, bottom, top, idx, idy, idz, nu, kappa, f, n2, &
                   first, second, gain) bind(c)
  use flow
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, bottom, top
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: u, v, w, b, ua, va, wa, ba
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: ub, vb, wb, bb
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(inout) :: u1, v1, w1, b1
  real(rk), value :: idx, idy, idz, nu, kappa, f, n2, first, second, gain
  integer(c_long) :: row, plane, at
  integer :: x, y, z, below, above
  real(rk) :: g

  row = nx
  plane = row * ny
  !$omp parallel do private(at, below, above, g)
  do z = z0, z1 - 1
    below = z - bottom
    above = top - z
    do y = y0, y1 - 1
      !$omp simd private(at, g)
      do x = x0, x1 - 1
        at = z * plane + y * row + x
        g = inflow(u, u, v, w, 1_c_long, at, row, plane, below, above, idx, idy, idz, nu) &
          + f / 4 * (v(x-1, y, z) + v(x, y, z) + v(x-1, y+1, z) + v(x, y+1, z))
        u1(x, y, z) = first * ua(x, y, z) + second * ub(x, y, z) + gain * g
      end do
      !$omp simd private(at, g)
      do x = x0, x1 - 1
        at = z * plane + y * row + x
        g = inflow(v, u, v, w, row, at, row, plane, below, above, idx, idy, idz, nu) &
          - f / 4 * (u(x, y-1, z) + u(x, y, z) + u(x+1, y-1, z) + u(x+1, y, z))
        v1(x, y, z) = first * va(x, y, z) + second * vb(x, y, z) + gain * g
      end do
      ! Nothing accelerates w on a wall; its cells end half a cell beyond them.
      !$omp simd private(at, g)
      do x = x0, x1 - 1
        at = z * plane + y * row + x
        g = inflow(w, u, v, w, plane, at, row, plane, below, above + 1, idx, idy, idz, nu) &
          + (b(x, y, z-1) + b(x, y, z)) / 2
        if (below == 0) g = 0
        w1(x, y, z) = first * wa(x, y, z) + second * wb(x, y, z) + gain * g
      end do
      !$omp simd private(at, g)
      do x = x0, x1 - 1
        at = z * plane + y * row + x
        g = inflow(b, u, v, w, 0_c_long, at, row, plane, below, above, idx, idy, idz, kappa) &
          - n2 / 2 * (w(x, y, z) + w(x, y, z+1))
        b1(x, y, z) = first * ba(x, y, z) + second * bb(x, y, z) + gain * g
      end do
    end do
  end do
end subroutine

! rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1).
subroutine divergence(nz, ny, nx, z0, z1, y0, y1, x0, x1, u1, v1, w1, rhs, sx, sy, sz) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: u1, v1, w1
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(inout) :: rhs
  real(rk), value :: sx, sy, sz
  integer :: x, y, z

  !$omp parallel do
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      !$omp simd
      do x = x0, x1 - 1
        rhs(x, y, z) = sx * (u1(x+1, y, z) - u1(x, y, z)) &
                     + sy * (v1(x, y+1, z) - v1(x, y, z)) &
                     + sz * (w1(x, y, z+1) - w1(x, y, z))
      end do
    end do
  end do
end subroutine

! The velocities lose g times the pressure's difference; w on a wall keeps what it is.
subroutine project(nz, ny, nx, z0, z1, y0, y1, x0, x1, p, u1, v1, w1, bottom, gx, gy, gz) bind(c)
  use given
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, bottom
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: p
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(inout) :: u1, v1, w1
  real(rk), value :: gx, gy, gz
  integer :: x, y, z

  !$omp parallel do
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      !$omp simd
      do x = x0, x1 - 1
        u1(x, y, z) = u1(x, y, z) - gx * (p(x, y, z) - p(x-1, y, z))
        v1(x, y, z) = v1(x, y, z) - gy * (p(x, y, z) - p(x, y-1, z))
      end do
      if (z == bottom) cycle
      !$omp simd
      do x = x0, x1 - 1
        w1(x, y, z) = w1(x, y, z) - gz * (p(x, y, z) - p(x, y, z-1))
      end do
    end do
  end do
end subroutine
