// What a program without exceptions has: gossamer::results alone.
#include <gossamer.hpp>

int main() {
  auto session = gossamer::results::Session::init();
  if (!session) return 1;
  double values[] = {1.0, 2.0};
  if (auto done = session->all_reduce(values, gossamer::Op::sum); !done) return done.error().rank() >= 0 ? 2 : 3;
  return 0;
}
