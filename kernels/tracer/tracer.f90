! dc/dt = -div(v c) + kappa lap(c) in Fortran: fluxes by WENO5-Z as Borges et al. (2008) write it.
#include "_weno.f90"

module fluxes
  use weno
contains
  ! Upwind and diffusive flux through the face between c and d.
  pure real(rk) function flux(u, a, b, c, d, e, f, k)
    real(rk), intent(in) :: u, a, b, c, d, e, f, k
    logical :: forward

    forward = u > 0
    flux = u * weno5(merge(a, f, forward), merge(b, e, forward), merge(c, d, forward), &
                     merge(d, c, forward), merge(e, b, forward)) - k * (d - c)
  end function

  ! The same `reach` cells from a wall.
  pure real(rk) function flux_near(u, b, c, d, e, k, reach)
    real(rk), intent(in) :: u, b, c, d, e, k
    integer, intent(in) :: reach

    if (reach <= 0) then
      flux_near = 0
    else if (reach == 1) then
      flux_near = u * merge(c, d, u > 0) - k * (d - c)
    else
      flux_near = u * merge(weno3(b, c, d), weno3(e, d, c), u > 0) - k * (d - c)
    end if
  end function

  ! Through the bottom face of a cell.
  pure real(rk) function flux_z(c, w, nx, ny, x, y, z, bottom, top, k)
    integer, intent(in) :: nx, ny, x, y, z, bottom, top
    real(rk), dimension(0:nx-1, 0:ny-1, 0:*), intent(in) :: c, w
    real(rk), intent(in) :: k
    integer :: reach

    reach = min(z - bottom, top - z)
    if (reach < 3) then
      flux_z = flux_near(w(x, y, z), c(x, y, z-2), c(x, y, z-1), c(x, y, z), c(x, y, z+1), k, reach)
    else
      flux_z = flux(w(x, y, z), c(x, y, z-3), c(x, y, z-2), c(x, y, z-1), &
                    c(x, y, z), c(x, y, z+1), c(x, y, z+2), k)
    end if
  end function

  ! dc/dt of a cell: what flows in, less what flows out.
  pure real(rk) function rate(c, u, v, w, nx, ny, x, y, z, bottom, top, idx, idy, idz, kx, ky, kz)
    integer, intent(in) :: nx, ny, x, y, z, bottom, top
    real(rk), dimension(0:nx-1, 0:ny-1, 0:*), intent(in) :: c, u, v, w
    real(rk), intent(in) :: idx, idy, idz, kx, ky, kz

    rate = (flux(u(x, y, z), c(x-3, y, z), c(x-2, y, z), c(x-1, y, z), &
                 c(x, y, z), c(x+1, y, z), c(x+2, y, z), kx) &
            - flux(u(x+1, y, z), c(x-2, y, z), c(x-1, y, z), c(x, y, z), &
                   c(x+1, y, z), c(x+2, y, z), c(x+3, y, z), kx)) * idx &
         + (flux(v(x, y, z), c(x, y-3, z), c(x, y-2, z), c(x, y-1, z), &
                 c(x, y, z), c(x, y+1, z), c(x, y+2, z), ky) &
            - flux(v(x, y+1, z), c(x, y-2, z), c(x, y-1, z), c(x, y, z), &
                   c(x, y+1, z), c(x, y+2, z), c(x, y+3, z), ky)) * idy &
         + (flux_z(c, w, nx, ny, x, y, z, bottom, top, kz) &
            - flux_z(c, w, nx, ny, x, y, z+1, bottom, top, kz)) * idz
  end function
end module

! c1 = c + first G(c).
subroutine stage1(nz, ny, nx, z0, z1, y0, y1, x0, x1, c, u, v, w, c1, bottom, top, &
                  idx, idy, idz, kx, ky, kz, first) bind(c)
  use fluxes
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, bottom, top
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: c, u, v, w
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(inout) :: c1
  real(rk), value :: idx, idy, idz, kx, ky, kz, first
  integer :: x, y, z

  !$omp parallel do
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      !$omp simd
      do x = x0, x1 - 1
        c1(x, y, z) = c(x, y, z) &
          + first * rate(c, u, v, w, nx, ny, x, y, z, bottom, top, idx, idy, idz, kx, ky, kz)
      end do
    end do
  end do
end subroutine

! c2 = c1 + second G(c1) + history (c1 - c), and c = c2 + ahead G(c1).
subroutine stage2(nz, ny, nx, z0, z1, y0, y1, x0, x1, c1, u, v, w, c, c2, bottom, top, &
                  idx, idy, idz, kx, ky, kz, second, history, ahead) bind(c)
  use fluxes
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, bottom, top
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: c1, u, v, w
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(inout) :: c, c2
  real(rk), value :: idx, idy, idz, kx, ky, kz, second, history, ahead
  real(rk) :: g
  integer :: x, y, z

  !$omp parallel do private(g)
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      !$omp simd private(g)
      do x = x0, x1 - 1
        g = rate(c1, u, v, w, nx, ny, x, y, z, bottom, top, idx, idy, idz, kx, ky, kz)
        c2(x, y, z) = c1(x, y, z) + second * g + history * (c1(x, y, z) - c(x, y, z))
        c(x, y, z) = c2(x, y, z) + ahead * g
      end do
    end do
  end do
end subroutine

! c += third G(c2).
subroutine stage3(nz, ny, nx, z0, z1, y0, y1, x0, x1, c2, u, v, w, c, bottom, top, &
                  idx, idy, idz, kx, ky, kz, third) bind(c)
  use fluxes
  integer(c_int), value :: nz, ny, nx, z0, z1, y0, y1, x0, x1, bottom, top
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(in) :: c2, u, v, w
  real(rk), dimension(0:nx-1, 0:ny-1, 0:nz-1), intent(inout) :: c
  real(rk), value :: idx, idy, idz, kx, ky, kz, third
  integer :: x, y, z

  !$omp parallel do
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      !$omp simd
      do x = x0, x1 - 1
        c(x, y, z) = c(x, y, z) &
          + third * rate(c2, u, v, w, nx, ny, x, y, z, bottom, top, idx, idy, idz, kx, ky, kz)
      end do
    end do
  end do
end subroutine
