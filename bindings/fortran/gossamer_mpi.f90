! Gossamer in a Fortran program with MPI: the ranks of a communicator become the ranks of a session, as gossamer_mpi.h has it for C.
! Compiled with the program and its MPI (any with a module mpi); after this call Gossamer does not use MPI.
!
!     call MPI_Init(ierror)
!     call gossamer_mpi_init(MPI_COMM_WORLD, session)
!
! With mpi_f08: call gossamer_mpi_init(MPI_COMM_WORLD%MPI_VAL, session).
module gossamer_mpi
  use gossamer
  use mpi
  implicit none
  private
  public :: gossamer_mpi_init

  ! What both calls below need of the program.
  type :: callers
    integer :: communicator
  end type

contains

  ! As gossamer_init, with the ranks of `communicator`; rank and rank_count of `config` are not read. Collective over the
  ! communicator; works on a copy of it. Without `status` an error ends the program with its sentence.
  subroutine gossamer_mpi_init(communicator, session, config, status)
    integer, intent(in) :: communicator
    type(gossamer_session), intent(inout) :: session
    type(gossamer_config), intent(in), optional :: config
    integer(c_int), intent(out), optional :: status
    type(callers), target :: own
    type(gossamer_launch) :: launch
    character(kind=c_char), target :: name(4)
    integer :: rank, rank_count, ierror
    call MPI_Comm_dup(communicator, own%communicator, ierror)
    call MPI_Comm_set_errhandler(own%communicator, MPI_ERRORS_RETURN, ierror)
    call MPI_Comm_rank(own%communicator, rank, ierror)
    call MPI_Comm_size(own%communicator, rank_count, ierror)
    name = ['M', 'P', 'I', c_null_char]
    launch%rank = rank
    launch%rank_count = rank_count
    launch%broadcast = c_funloc(broadcast)
    launch%all_gather = c_funloc(all_gather)
    launch%context = c_loc(own)
    launch%name = c_loc(name)
    call gossamer_init_with_launch(launch, session, config, status)
    call MPI_Comm_free(own%communicator, ierror)
  end subroutine

  function broadcast(context, data, bytes, root) bind(c) result(outcome)
    type(c_ptr), value :: context, data
    integer(c_size_t), value :: bytes
    integer(c_int32_t), value :: root
    integer(c_int) :: outcome
    type(callers), pointer :: own
    character(kind=c_char), pointer :: text(:)
    integer :: ierror
    call c_f_pointer(context, own)
    call c_f_pointer(data, text, [bytes])
    call MPI_Bcast(text, int(bytes), MPI_BYTE, int(root), own%communicator, ierror)
    outcome = merge(0_c_int, 1_c_int, ierror == MPI_SUCCESS)
  end function

  function all_gather(context, mine, all, bytes) bind(c) result(outcome)
    type(c_ptr), value :: context, mine, all
    integer(c_size_t), value :: bytes
    integer(c_int) :: outcome
    type(callers), pointer :: own
    character(kind=c_char), pointer :: from(:), to(:)
    integer :: rank_count, ierror
    call c_f_pointer(context, own)
    call MPI_Comm_size(own%communicator, rank_count, ierror)
    call c_f_pointer(mine, from, [bytes])
    call c_f_pointer(all, to, [bytes * rank_count])
    call MPI_Allgather(from, int(bytes), MPI_BYTE, to, int(bytes), MPI_BYTE, own%communicator, ierror)
    outcome = merge(0_c_int, 1_c_int, ierror == MPI_SUCCESS)
  end function

end module gossamer_mpi
