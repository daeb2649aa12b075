! dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in Fortran: DGSEM by nodes.
!
! A direction is n = 1, 2, 3 along x, y, z. States are (rho, v1, v2, v3, p, E); `ll` and `rr` are
! those on the lower and the upper side of a face, or of a pair of nodes. Compiled for: nodes = p + 1,
! split, volume (the matrix D, row by row), lift = 1 / w_0.
module dgsem
  use given
  real(rk), parameter :: gamma = 1.4_rk, half = 0.5_rk
  real(rk), parameter :: D(nodes, nodes) = transpose(reshape(volume, [nodes, nodes]))
contains
  ! A state, of conserved variables.
  pure function state(q) result(s)
    real(rk), intent(in) :: q(5)
    real(rk) :: s(6)
    s(1) = q(1)
    s(2:4) = q(2:4) / q(1)
    s(5) = (gamma - 1) * (q(5) - half * q(1) * (s(2)**2 + s(3)**2 + s(4)**2))
    s(6) = q(5)
  end function

  ! f of a state.
  pure function flux(s, n) result(f)
    real(rk), intent(in) :: s(6)
    integer, intent(in) :: n
    real(rk) :: f(5)
    f(1) = s(1) * s(1 + n)
    f(2:4) = f(1) * s(2:4)
    f(1 + n) = f(1 + n) + s(5)
    f(5) = (s(6) + s(5)) * s(1 + n)
  end function

  ! The two-point flux of Shima et al. (2021): it preserves kinetic energy and pressure.
  pure function flux_shima(ll, rr, n) result(f)
    real(rk), intent(in) :: ll(6), rr(6)
    integer, intent(in) :: n
    real(rk) :: f(5), v, p, kinetic, work
    v = half * (ll(1 + n) + rr(1 + n))
    p = half * (ll(5) + rr(5))
    kinetic = half * (ll(2) * rr(2) + ll(3) * rr(3) + ll(4) * rr(4))
    work = half * (ll(5) * rr(1 + n) + rr(5) * ll(1 + n))
    f(1) = half * (ll(1) + rr(1)) * v
    f(2:4) = f(1) * half * (ll(2:4) + rr(2:4))
    f(1 + n) = f(1 + n) + p
    f(5) = p * v / (gamma - 1) + f(1) * kinetic + work
  end function

  ! Through a face: the mean flux, less half of max |v| + max c times the jump of q.
  pure function flux_rusanov(q_ll, q_rr, n) result(f)
    real(rk), intent(in) :: q_ll(5), q_rr(5)
    integer, intent(in) :: n
    real(rk) :: f(5), ll(6), rr(6), speed
    ll = state(q_ll)
    rr = state(q_rr)
    speed = max(abs(ll(1 + n)), abs(rr(1 + n))) &
          + max(sqrt(gamma * ll(5) / ll(1)), sqrt(gamma * rr(5) / rr(1)))
    f = half * (flux(ll, n) + flux(rr, n)) - half * speed * (q_rr - q_ll)
  end function

#ifdef given_slope
  ! Viscosity, with the mean of both sides on faces: see viscous.py.
  ! v1, v2, v3, T = p / rho: what is differentiated.
  pure function variables(q) result(u)
    real(rk), intent(in) :: q(5)
    real(rk) :: u(4), s(6)
    s = state(q)
    u = [s(2:4), s(5) / s(1)]
  end function

  ! The derivative at node i of a line; below and above are the neighbours' nodes that touch it.
  pure function derivative(i, line, below, above) result(total)
    integer, intent(in) :: i
    real(rk), intent(in) :: line(4, nodes), below(4), above(4)
    real(rk) :: total(4)
    integer :: l
    total = 0
    do l = 1, nodes
      total = total + slope((i - 1) * nodes + l) * line(:, l)
    end do
    if (i == 1) total = total - lift * below
    if (i == nodes) total = total + lift * above
  end function

  ! The fluxes (:, d) of momentum and energy, of a velocity and gradients g(variable, d): the stress
  ! is mu (grad v + grad v^T - 2/3 div v), the heat flux -kappa grad T.
  pure function fluxes(v, g, mu, kappa) result(f)
    real(rk), intent(in) :: v(3), g(4, 3), mu, kappa
    real(rk) :: f(4, 3)
    integer :: d
    do d = 1, 3
      f(1:3, d) = mu * (g(1:3, d) + g(d, :))
      f(d, d) = f(d, d) - 2 * mu / 3 * (g(1, 1) + g(2, 2) + g(3, 3))
      f(4, d) = v(1) * f(1, d) + v(2) * f(2, d) + v(3) * f(3, d) + kappa * g(4, d)
    end do
  end function
#endif
end module

! k = a k + dt R(q), out = q + b k, with R the right-hand side and c_d = 2 dt / dx_d.
subroutine stage(nz, ny, components, nk, nj, ni, nx, z0, z1, y0, y1, x0, x1, q, k, out, &
                 a, b, cx, cy, cz) bind(c)
  use dgsem
  integer(c_int), value :: nz, ny, components, nk, nj, ni, nx, z0, z1, y0, y1, x0, x1
  real(rk), intent(in) :: q(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: k(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: out(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), value :: a, b, cx, cy, cz
  real(rk) :: s(6), f(5), fx(5), fy(5), fz(5)
  integer :: x, y, z, n1, n2, n3, i, j, l

  !$omp parallel do private(s, f, fx, fy, fz, x, y, n1, n2, n3, i, j, l)
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      k(x0:x1-1, :, :, :, :, y, z) = a * k(x0:x1-1, :, :, :, :, y, z)

      ! What the fluxes of a node give to the nodes of its three lines: D_li f_i, or by pairs.
      do n3 = 1, nodes
        do n2 = 1, nodes
          do n1 = 1, nodes
            do x = x0, x1 - 1
              s = state(q(x, n1, n2, n3, :, y, z))
              if (split == 1) then
                do l = n1 + 1, nodes
                  f = flux_shima(s, state(q(x, l, n2, n3, :, y, z)), 1)
                  k(x, n1, n2, n3, :, y, z) = k(x, n1, n2, n3, :, y, z) + cx * D(n1, l) * f
                  k(x, l, n2, n3, :, y, z) = k(x, l, n2, n3, :, y, z) + cx * D(l, n1) * f
                end do
                do l = n2 + 1, nodes
                  f = flux_shima(s, state(q(x, n1, l, n3, :, y, z)), 2)
                  k(x, n1, n2, n3, :, y, z) = k(x, n1, n2, n3, :, y, z) + cy * D(n2, l) * f
                  k(x, n1, l, n3, :, y, z) = k(x, n1, l, n3, :, y, z) + cy * D(l, n2) * f
                end do
                do l = n3 + 1, nodes
                  f = flux_shima(s, state(q(x, n1, n2, l, :, y, z)), 3)
                  k(x, n1, n2, n3, :, y, z) = k(x, n1, n2, n3, :, y, z) + cz * D(n3, l) * f
                  k(x, n1, n2, l, :, y, z) = k(x, n1, n2, l, :, y, z) + cz * D(l, n3) * f
                end do
              else
                fx = flux(s, 1)
                fy = flux(s, 2)
                fz = flux(s, 3)
                do l = 1, nodes
                  k(x, l, n2, n3, :, y, z) = k(x, l, n2, n3, :, y, z) + cx * D(l, n1) * fx
                  k(x, n1, l, n3, :, y, z) = k(x, n1, l, n3, :, y, z) + cy * D(l, n2) * fy
                  k(x, n1, n2, l, :, y, z) = k(x, n1, n2, l, :, y, z) + cz * D(l, n3) * fz
                end do
              end if
            end do
          end do
        end do
      end do

      ! f* / w at the first node of a line in each direction, and less the same at the last.
      do i = 1, nodes
        do j = 1, nodes
          do x = x0, x1 - 1
            f = flux_rusanov(q(x-1, nodes, j, i, :, y, z), q(x, 1, j, i, :, y, z), 1)
            k(x, 1, j, i, :, y, z) = k(x, 1, j, i, :, y, z) + cx * lift * f
            f = flux_rusanov(q(x, nodes, j, i, :, y, z), q(x+1, 1, j, i, :, y, z), 1)
            k(x, nodes, j, i, :, y, z) = k(x, nodes, j, i, :, y, z) - cx * lift * f
            f = flux_rusanov(q(x, j, nodes, i, :, y-1, z), q(x, j, 1, i, :, y, z), 2)
            k(x, j, 1, i, :, y, z) = k(x, j, 1, i, :, y, z) + cy * lift * f
            f = flux_rusanov(q(x, j, nodes, i, :, y, z), q(x, j, 1, i, :, y+1, z), 2)
            k(x, j, nodes, i, :, y, z) = k(x, j, nodes, i, :, y, z) - cy * lift * f
            f = flux_rusanov(q(x, j, i, nodes, :, y, z-1), q(x, j, i, 1, :, y, z), 3)
            k(x, j, i, 1, :, y, z) = k(x, j, i, 1, :, y, z) + cz * lift * f
            f = flux_rusanov(q(x, j, i, nodes, :, y, z), q(x, j, i, 1, :, y, z+1), 3)
            k(x, j, i, nodes, :, y, z) = k(x, j, i, nodes, :, y, z) - cz * lift * f
          end do
        end do
      end do

      out(x0:x1-1, :, :, :, :, y, z) = q(x0:x1-1, :, :, :, :, y, z) &
                                     + b * k(x0:x1-1, :, :, :, :, y, z)
    end do
  end do
end subroutine

#ifdef given_slope
! The viscous fluxes of q along x, y and z, with i_d = 1 / dx_d.
subroutine viscous_flux(nz, ny, components, nk, nj, ni, nx, z0, z1, y0, y1, x0, x1, q, &
                        fx, fy, fz, mu, kappa, ix, iy, iz) bind(c)
  use dgsem
  integer(c_int), value :: nz, ny, components, nk, nj, ni, nx, z0, z1, y0, y1, x0, x1
  real(rk), intent(in) :: q(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: fx(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: fy(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: fz(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), value :: mu, kappa, ix, iy, iz
  real(rk) :: lx(4, nodes), ly(4, nodes), lz(4, nodes), u(4), g(4, 3), f(4, 3)
  integer :: x, y, z, i, j, k, l

  !$omp parallel do private(lx, ly, lz, u, g, f, x, y, i, j, k, l)
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      do k = 1, nodes
        do j = 1, nodes
          do i = 1, nodes
            do x = x0, x1 - 1
              do l = 1, nodes
                lx(:, l) = variables(q(x, l, j, k, :, y, z))
                ly(:, l) = variables(q(x, i, l, k, :, y, z))
                lz(:, l) = variables(q(x, i, j, l, :, y, z))
              end do
              u = lx(:, i)
              g(:, 1) = ix * derivative(i, lx, variables(q(x-1, nodes, j, k, :, y, z)), &
                                        variables(q(x+1, 1, j, k, :, y, z)))
              g(:, 2) = iy * derivative(j, ly, variables(q(x, i, nodes, k, :, y-1, z)), &
                                        variables(q(x, i, 1, k, :, y+1, z)))
              g(:, 3) = iz * derivative(k, lz, variables(q(x, i, j, nodes, :, y, z-1)), &
                                        variables(q(x, i, j, 1, :, y, z+1)))
              f = fluxes(u(1:3), g, mu, kappa)
              fx(x, i, j, k, 2:5, y, z) = f(:, 1)
              fy(x, i, j, k, 2:5, y, z) = f(:, 2)
              fz(x, i, j, k, 2:5, y, z) = f(:, 3)
            end do
          end do
        end do
      end do
    end do
  end do
end subroutine

! k += dt V, out += b dt V, with V the divergence of the viscous fluxes and s_d = dt / dx_d.
subroutine viscous(nz, ny, components, nk, nj, ni, nx, z0, z1, y0, y1, x0, x1, fx, fy, fz, &
                   k, out, b, sx, sy, sz) bind(c)
  use dgsem
  integer(c_int), value :: nz, ny, components, nk, nj, ni, nx, z0, z1, y0, y1, x0, x1
  real(rk), intent(in) :: fx(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(in) :: fy(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(in) :: fz(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: k(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), intent(inout) :: out(0:nx-1, nodes, nodes, nodes, 5, 0:ny-1, 0:nz-1)
  real(rk), value :: b, sx, sy, sz
  real(rk) :: lx(4, nodes), ly(4, nodes), lz(4, nodes), added(4)
  integer :: x, y, z, n1, n2, n3, l

  !$omp parallel do private(lx, ly, lz, added, x, y, n1, n2, n3, l)
  do z = z0, z1 - 1
    do y = y0, y1 - 1
      do n3 = 1, nodes
        do n2 = 1, nodes
          do n1 = 1, nodes
            do x = x0, x1 - 1
              do l = 1, nodes
                lx(:, l) = fx(x, l, n2, n3, 2:5, y, z)
                ly(:, l) = fy(x, n1, l, n3, 2:5, y, z)
                lz(:, l) = fz(x, n1, n2, l, 2:5, y, z)
              end do
              added = sx * derivative(n1, lx, fx(x-1, nodes, n2, n3, 2:5, y, z), &
                                      fx(x+1, 1, n2, n3, 2:5, y, z)) &
                    + sy * derivative(n2, ly, fy(x, n1, nodes, n3, 2:5, y-1, z), &
                                      fy(x, n1, 1, n3, 2:5, y+1, z)) &
                    + sz * derivative(n3, lz, fz(x, n1, n2, nodes, 2:5, y, z-1), &
                                      fz(x, n1, n2, 1, 2:5, y, z+1))
              k(x, n1, n2, n3, 2:5, y, z) = k(x, n1, n2, n3, 2:5, y, z) + added
              out(x, n1, n2, n3, 2:5, y, z) = out(x, n1, n2, n3, 2:5, y, z) + b * added
            end do
          end do
        end do
      end do
    end do
  end do
end subroutine
#endif
