! STREAM (McCalpin) in Fortran: a = c, a = b + s c, and chains of y = y s + b.
subroutine copy_to(n, i0, i1, c, a) bind(c)
  use given
  integer(c_int), value :: n, i0, i1
  real(rk), intent(in) :: c(0:n-1)
  real(rk), intent(inout) :: a(0:n-1)
  integer :: i

  !$omp parallel do simd
  do i = i0, i1 - 1
    a(i) = c(i)
  end do
end subroutine

subroutine triad(n, i0, i1, b, c, a, s) bind(c)
  use given
  integer(c_int), value :: n, i0, i1
  real(rk), intent(in) :: b(0:n-1), c(0:n-1)
  real(rk), intent(inout) :: a(0:n-1)
  real(rk), value :: s
  integer :: i

  !$omp parallel do simd
  do i = i0, i1 - 1
    a(i) = b(i) + s * c(i)
  end do
end subroutine

subroutine multiply_add(n, i0, i1, b, a, s) bind(c)
  use given
  integer(c_int), value :: n, i0, i1
  real(rk), intent(in) :: b(0:n-1)
  real(rk), intent(inout) :: a(0:n-1)
  real(rk), value :: s
  integer, parameter :: links = 16 * 64  ! CHAIN x PASSES
  integer :: i, link
  real(rk) :: y

  !$omp parallel do simd private(y)
  do i = i0, i1 - 1
    y = b(i)
    do link = 1, links
      y = y * s + b(i)
    end do
    a(i) = y
  end do
end subroutine
