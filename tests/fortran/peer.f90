! The module's procedures on any number of ranks; with the argument "stop", what an error does where nobody asks for its status.
program peer
  use gossamer
  implicit none
  type(gossamer_session) :: session
  integer(c_int32_t) :: rank, ranks
  character(8) :: word

  call gossamer_init(session)
  rank = gossamer_rank(session)
  ranks = gossamer_rank_count(session)
  call get_command_argument(1, word)
  if (word == 'stop') then
    call gossamer_broadcast(session, ranks, root=ranks)
    stop 3
  end if
  call vectors()
  call collectives()
  call groups_and_memory()
  call compressors()
  call errors()
  call gossamer_finalize(session)
  call expect(.not. c_associated(session%handle), 'a session that has ended has no handle')
  print '(a, i0, a)', 'Fortran is right on ', ranks, ' ranks'

contains

  subroutine expect(condition, what)
    logical, intent(in) :: condition
    character(*), intent(in) :: what
    if (condition) return
    print '(2a)', 'failed: ', what
    error stop
  end subroutine

  integer function total()
    total = ranks * (ranks - 1) / 2
  end function

  subroutine vectors()
    real(8) :: r8, wide(6)
    real(4) :: r4(3)
    integer(c_int8_t) :: i1(2)
    integer(4) :: i4(2, 3)
    integer(8), target :: i8(2, 2, 2)
    r8 = rank
    call gossamer_all_reduce(session, r8, GOSSAMER_SUM)
    call expect(r8 == total(), 'a scalar')
    r4 = real(rank)
    call gossamer_all_reduce(session, r4, GOSSAMER_MAX)
    call expect(all(r4 == ranks - 1), 'real(4)')
    i1 = int(rank, c_int8_t)
    call gossamer_all_reduce(session, i1, GOSSAMER_MIN)
    call expect(all(i1 == 0), 'int8')
    i4 = rank
    call gossamer_all_reduce(session, i4, GOSSAMER_SUM, timeout_ns=20000000000_c_int64_t)
    call expect(all(i4 == total()), 'a matrix')
    i8 = rank
    call gossamer_all_reduce(session, i8, GOSSAMER_SUM)
    call expect(all(i8 == total()), 'rank three')
    ! Every second element: copied in and out by the compiler.
    wide = rank
    call gossamer_all_reduce(session, wide(1:5:2), GOSSAMER_SUM)
    call expect(all(wide(1:5:2) == total()) .and. all(wide(2:6:2) == rank), 'a section')
    call gossamer_all_reduce(session, c_loc(i8), 8_c_int64_t, GOSSAMER_I64, GOSSAMER_MIN)
    call expect(all(i8 == total()), 'an address')
    wide = rank
    call gossamer_broadcast(session, wide, ranks - 1)
    call expect(all(wide == ranks - 1), 'broadcast')
    call gossamer_check_equal(session, 'wide', wide)
    call gossamer_all_reduce(session, wide(1:0), GOSSAMER_SUM)  ! nothing, on all ranks
    call gossamer_barrier(session)
  end subroutine

  subroutine collectives()
    real(8), target :: vector(1000)
    integer(4), target :: matrix(10, 10)
    type(gossamer_collective) :: collective, scatter
    type(gossamer_operation) :: operation
    integer(c_int) :: status
    integer(c_int64_t) :: first, count
    integer :: step
    call gossamer_collective_create(session, GOSSAMER_KIND_ALL_REDUCE, vector, collective, GOSSAMER_SUM)
    do step = 1, 3
      vector = rank * step
      call gossamer_collective_start(collective, operation)
      do
        call gossamer_operation_test(operation, status)
        if (status /= GOSSAMER_PENDING) exit
      end do
      call expect(status == GOSSAMER_DONE .and. all(vector == total() * step), 'a collective')
    end do
    call gossamer_collective_destroy(collective)
    matrix = 1
    call gossamer_collective_create(session, GOSSAMER_KIND_REDUCE_SCATTER, matrix, scatter)
    call gossamer_collective_start(scatter, operation)
    call gossamer_operation_wait(operation)
    call gossamer_collective_slice(scatter, rank, first, count)
    call expect(count >= 0 .and. first + count <= 100, 'a slice')
    if (count > 0) call expect(matrix(1 + int(mod(first, 10_8)), 1 + int(first / 10)) == ranks, 'reduce-scatter')
    call gossamer_collective_destroy(scatter)
  end subroutine

  subroutine groups_and_memory()
    real(8), pointer :: shared(:)
    type(gossamer_group) :: alone
    type(gossamer_collective) :: collective
    type(gossamer_operation) :: operation
    call gossamer_group_create(session, [rank], alone)
    call gossamer_allocate(session, 500_c_size_t, shared)
    call expect(size(shared) == 500 .and. all(shared == 0), 'memory is zeroed')
    shared = rank
    call gossamer_collective_create(session, GOSSAMER_KIND_ALL_REDUCE, shared, collective, group=alone)
    call gossamer_collective_start(collective, operation)
    call gossamer_operation_wait(operation, 20000000000_c_int64_t)
    call expect(all(shared == rank), 'a group of one')
    call gossamer_collective_destroy(collective)
    call gossamer_free(session, shared)
    call expect(.not. associated(shared), 'memory that was freed')
    call gossamer_group_destroy(alone)
  end subroutine

  subroutine compressors()
    type(gossamer_compressor_config) :: config
    type(gossamer_compressor) :: compressor
    type(gossamer_operation) :: operation
    type(gossamer_update) :: update
    type(gossamer_stats) :: stats
    real(4), target :: weights(50), bias(4), gradient(50), bias_gradient(4)
    real(c_float), pointer :: values(:)
    integer(c_int8_t), allocatable :: state(:)
    integer(c_int) :: status
    integer(c_int32_t), pointer :: indices(:)
    config%algorithm = GOSSAMER_DENSE
    call gossamer_compressor_create(session, [character(7) :: 'weights', 'bias'], [50_c_int64_t, 4_c_int64_t], compressor, &
      exact=[.false., .true.], config=config)
    weights = 0
    bias = 0
    gradient = real(rank)
    bias_gradient = real(2 * rank)
    call gossamer_compress(compressor, [c_loc(gradient), c_loc(bias_gradient)])
    call gossamer_reduce(compressor, operation)
    call gossamer_operation_wait(operation)
    call gossamer_recover(compressor, update)
    call gossamer_update_arrays(update, values, indices)
    call expect(size(values) == 54 .and. .not. associated(indices), 'a dense update')
    call gossamer_update_apply(update, [c_loc(weights), c_loc(bias)], 2.0)
    call expect(all(weights == ranks - 1) .and. all(bias == 2 * (ranks - 1)), 'apply')
    call gossamer_compressor_stats(compressor, stats)
    call expect(stats%operations == 1 .and. stats%dimension == 54, 'stats')
    call gossamer_compressor_save(compressor, state)
    call gossamer_compressor_load(compressor, state)
    call gossamer_compressor_load(compressor, state(1:8), status=status)
    call expect(status /= GOSSAMER_DONE .and. size(state) > 8, 'a state that is cut off')
    call gossamer_compressor_destroy(compressor)
    call gossamer_compressor_destroy(compressor)  ! its handle is gone
  end subroutine

  subroutine errors()
    integer(c_int) :: status
    integer(4) :: words(3)
    words = 1
    call gossamer_all_reduce(session, words, GOSSAMER_MEAN, status=status)
    call expect(status == GOSSAMER_INVALID_ARGUMENT .or. status == GOSSAMER_MISMATCH, 'a mean of integers')
    call expect(index(gossamer_last_error(), 'mean') > 0, 'its sentence')
    call expect(gossamer_status_name(GOSSAMER_PEER_LOST) == 'GOSSAMER_PEER_LOST', 'status_name')
    call expect(gossamer_last_error_rank() >= -1, 'last_error_rank')
  end subroutine
end program
