! Least squares over the rows that each rank has, in a program with MPI:
!
!     F=$(pkg-config --variable=fortran gossamer)
!     mpifort $F/gossamer.f90 $F/gossamer_mpi.f90 solver.f90 $(pkg-config --libs gossamer) -o solver
!     mpirun -n 4 ./solver
!
! First by conjugate gradients on A'A x = A'b, whose vector A'(A p) is summed in real(8) in every iteration; then by gradient
! descent in real(4), whose gradient travels as a sketch.
program solver
  use gossamer
  use gossamer_mpi
  use mpi
  implicit none
  integer, parameter :: n = 2000, rows = 3000, iterations = 200, steps = 120
  real(8), allocatable, target :: a(:), x(:), residual(:), direction(:), image(:)
  type(gossamer_session) :: session
  integer :: rank, ierror, i

  call MPI_Init(ierror)
  call gossamer_mpi_init(MPI_COMM_WORLD, session)
  rank = gossamer_rank(session)

  ! Row i has three entries; the solution is 1, 2, ..., 9, 1, 2, ...
  allocate (a(rows), x(n), residual(n), direction(n), image(n))
  do i = 1, rows
    a(i) = 1.0d0 + 0.5d0 * mod(i * 7 + rank * 3, 11) / 11.0d0
  end do
  call conjugate_gradients()
  call gradient_descent()

  call gossamer_finalize(session)
  call MPI_Finalize(ierror)

contains

  ! Where row i has its entries; ranks have different ones.
  pure integer function column(i, k)
    integer, intent(in) :: i, k
    column = 1 + mod(i + k * (rank + 1) * 17, n)
  end function

  pure real(8) function truth(j)
    integer, intent(in) :: j
    truth = 1 + mod(j, 9)
  end function

  ! out = A' (A in), of this rank's rows alone.
  subroutine apply_normal(in, out)
    real(8), intent(in) :: in(:)
    real(8), intent(out) :: out(:)
    real(8) :: product
    integer :: i
    out = 0
    do i = 1, rows
      product = a(i) * (2 * in(column(i, 0)) + in(column(i, 1)) - 0.5d0 * in(column(i, 2)))
      out(column(i, 0)) = out(column(i, 0)) + 2 * a(i) * product
      out(column(i, 1)) = out(column(i, 1)) + a(i) * product
      out(column(i, 2)) = out(column(i, 2)) - 0.5d0 * a(i) * product
    end do
  end subroutine

  real(8) function error_of(solution)
    real(8), intent(in) :: solution(:)
    integer :: j
    error_of = maxval([(abs(solution(j) - truth(j)), j = 1, n)])
  end function

  subroutine conjugate_gradients()
    type(gossamer_collective) :: sum_image
    type(gossamer_operation) :: operation
    real(8) :: old, new, step
    integer :: iteration, j
    ! Made once for this vector, started in every iteration.
    call gossamer_collective_create(session, GOSSAMER_KIND_ALL_REDUCE, image, sum_image, GOSSAMER_SUM)
    call apply_normal([(truth(j), j = 1, n)], residual)
    call gossamer_all_reduce(session, residual, GOSSAMER_SUM)  ! once: A'b
    x = 0
    direction = residual
    new = dot_product(residual, residual)
    do iteration = 1, iterations
      call apply_normal(direction, image)
      call gossamer_collective_start(sum_image, operation)
      call gossamer_operation_wait(operation)
      step = new / dot_product(direction, image)
      x = x + step * direction
      residual = residual - step * image
      old = new
      new = dot_product(residual, residual)
      if (new < 1d-20) exit
      direction = residual + new / old * direction
    end do
    call gossamer_collective_destroy(sum_image)
    call gossamer_check_equal(session, 'x', x)  ! the same bits on every rank
    if (rank == 0) print '(a, i0, a, es8.1)', 'conjugate gradients: ', iteration, ' iterations, error ', error_of(x)
  end subroutine

  subroutine gradient_descent()
    type(gossamer_compressor_config) :: config
    type(gossamer_compressor) :: compressor
    type(gossamer_operation) :: operation
    type(gossamer_update) :: update
    type(gossamer_stats) :: stats
    real(4) :: weights(n), gradient(n)
    real(8) :: first
    integer :: step, j
    config%density = 0.1d0  ! fields that are left alone have their defaults
    config%momentum = 0
    config%clip = 0
    call gossamer_compressor_create(session, ['x'], [n], compressor, config=config)
    weights = 0
    first = sqrt(sum([(truth(j)**2, j = 1, n)]))
    do step = 1, steps
      call apply_normal([(weights(j) - truth(j), j = 1, n)], image)
      gradient = real(image, 4)
      call gossamer_compress(compressor, gradient)
      call gossamer_reduce(compressor, operation)
      call gossamer_operation_wait(operation)
      call gossamer_recover(compressor, update)
      call gossamer_update_apply(update, weights, -0.03)
    end do
    call gossamer_check_equal(session, 'weights', weights)
    call gossamer_compressor_stats(compressor, stats)
    if (rank == 0) then
      print '(a, i0, a, f6.4, a, i0, a)', 'gradient descent: ', stats%operations, ' steps, ', &
        sqrt(sum([((weights(j) - truth(j))**2, j = 1, n)])) / first, ' of the error is left, ', stats%bytes_sent, ' bytes a step'
    end if
    call gossamer_compressor_destroy(compressor)
  end subroutine
end program
