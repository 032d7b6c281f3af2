// None of these may compile; check_header.cmake takes one at a time.
#include <gossamer.hpp>

void mistake(gossamer::Session& session, gossamer::results::Session& reporting) {
  std::vector<double> vector;
  const std::vector<double> constant;
  std::vector<unsigned> unsigned_vector;
  std::vector<float> floats;
#if MISTAKE == 1
  (void)session.make_all_reduce(std::vector<double>(3), gossamer::Op::sum);
#elif MISTAKE == 2
  session.all_reduce(constant, gossamer::Op::sum);
#elif MISTAKE == 3
  session.all_reduce(unsigned_vector, gossamer::Op::sum);
#elif MISTAKE == 4
  gossamer::Session copy = session;
#elif MISTAKE == 5
  reporting.all_reduce(vector, gossamer::Op::sum);
#elif MISTAKE == 6
  (void)session.make_all_reduce_into(vector, floats, gossamer::Op::sum);
#endif
  (void)reporting;
}
