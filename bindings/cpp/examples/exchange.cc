// Sums, then four steps of gs-SGD on a toy problem, on as many ranks as were started:
//
//     c++ -std=c++17 exchange.cc $(pkg-config --cflags --libs gossamer) -o exchange
//     gossamer run -n 4 -- ./exchange
//
// Errors are exceptions here, and one part does without: the same functions of gossamer::results.
#include <cstdio>
#include <gossamer.hpp>
#include <vector>

namespace {

// Plain sums: once, and by what is made once and started often.
void sum(gossamer::Session& session) {
  std::vector<double> mine(1000, session.rank() + 1.0);
  session.all_reduce(mine, gossamer::Op::sum);

  gossamer::Memory<double> vector = session.allocate<double>(100000);  // ranks of one host read it in place
  gossamer::Collective mean = session.make_all_reduce(vector, gossamer::Op::mean);
  for (int step = 0; step < 3; ++step) {
    for (double& value : vector) value = session.rank() * 2.0;
    gossamer::Operation operation = mean.start();
    // ... other work ...
    operation.wait();
  }
  if (session.rank() == 0) std::printf("sum %.0f, mean %.1f\n", mine[0], vector[0]);
}

// Squared distance to this rank's target is the loss; its gradient is weight - target.
float target(int rank, std::size_t i) {
  return static_cast<float>((i * 7 + static_cast<std::size_t>(rank) * 3) % 11) - 5.0f;
}

void learn(gossamer::Session& session) {
  std::vector<float> weights(10000), bias(10);
  std::vector<float> weights_gradient(weights.size()), bias_gradient(bias.size());
  session.broadcast(weights, 0);

  gossamer::CompressorConfig config;  // the initializer's values
  config.algorithm = GOSSAMER_GS_SGD;
  config.density = 0.2;
  config.columns = 4000;
  config.momentum = 0.0;
  config.clip = 0.0;
  gossamer::Compressor compressor =
      session.make_compressor({{"weights", weights.size(), 0}, {"bias", bias.size(), 1}}, config);

  for (int step = 0; step < 4; ++step) {
    for (std::size_t i = 0; i < weights.size(); ++i) weights_gradient[i] = weights[i] - target(session.rank(), i);
    for (std::size_t i = 0; i < bias.size(); ++i) bias_gradient[i] = bias[i] - static_cast<float>(session.rank());
    compressor.compress(weights_gradient, bias_gradient);  // local
    gossamer::Operation operation = compressor.reduce();   // starts the exchange
    operation.wait(std::chrono::seconds(20));
    compressor.recover().apply(-0.5f, weights, bias);  // the same on every rank
  }
  session.check_equal("weights", weights);
  if (session.rank() == 0) {
    std::printf("weights are equal on %d ranks, %llu bytes sent by this one\n", session.rank_count(),
                static_cast<unsigned long long>(compressor.stats().total_bytes_sent));
  }
}

// Without exceptions: a Result is a value, or why there is none.
void show_an_error() {
  gossamer::Config config;
  config.rank = 3;
  config.rank_count = 2;
  auto session = gossamer::results::Session::init(config);
  if (!session) std::printf("%s\n", session.error().message().c_str());
}

}  // namespace

int main() {
  try {
    gossamer::Session session = gossamer::Session::init();
    sum(session);
    learn(session);
    if (session.rank() == 0) show_an_error();
  } catch (const gossamer::Exception& exception) {
    std::fprintf(stderr, "%s\n", exception.what());
    return exception.status() == GOSSAMER_PEER_LOST ? 2 : 1;
  }
  return 0;
}
