! Rows copied within an array, as exchanges need: all elements j < length of row i from sources(i)
! to targets(i), counted from 0.
subroutine copy_rows(rows, length, sources, targets, field) bind(c)
  use given
  integer(c_long), value :: rows, length
  integer(c_long), intent(in) :: sources(rows), targets(rows)
  real(rk), intent(inout) :: field(0:*)
  integer(c_long) :: i, j

  !$omp parallel do
  do i = 1, rows
    do j = 0, length - 1
      field(targets(i) + j) = field(sources(i) + j)
    end do
  end do
end subroutine
