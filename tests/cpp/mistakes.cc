// None of these may compile: check_header.cmake looks for the message of each.
#include <gossamer.hpp>

void mistakes(gossamer::Session& session, gossamer::results::Session& reporting) {
  std::vector<double> vector;
  const std::vector<double> constant;
  std::vector<unsigned> unsigned_vector;
  std::vector<float> floats;
  (void)session.make_all_reduce(std::vector<double>(3), gossamer::Op::sum);
  session.all_reduce(constant, gossamer::Op::sum);
  session.all_reduce(unsigned_vector, gossamer::Op::sum);
  gossamer::Session copy = session;
  reporting.all_reduce(vector, gossamer::Op::sum);
  (void)session.make_all_reduce_into(vector, floats, gossamer::Op::sum);
}
