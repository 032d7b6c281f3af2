// Every function of gossamer.hpp over the library, on any number of ranks: values are right in both policies.
#include <cstdio>
#include <cstdlib>
#include <gossamer.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace {

void expect(bool condition, const char* what) {
  if (condition) return;
  std::printf("failed: %s\n", what);
  std::exit(1);
}

void check_vectors(gossamer::Session& session) {
  const int rank = session.rank(), count = session.rank_count();
  const double ranks_sum = count * (count - 1) / 2.0;
  std::vector<double> vector(100, rank);
  session.all_reduce(vector, gossamer::Op::sum);
  expect(vector[99] == ranks_sum, "all_reduce");
  std::vector<std::int32_t> words(3, rank);
  session.broadcast(words, count - 1);
  expect(words[2] == count - 1, "broadcast");
  session.check_equal("words", words);
  session.barrier();

  auto memory = session.allocate<float>(1000);
  auto all_reduce = session.make_all_reduce(memory, gossamer::Op::max);
  for (float& value : memory) value = static_cast<float>(rank);
  auto operation = all_reduce.start();
  while (!operation.test()) {
  }
  expect(memory[999] == static_cast<float>(count - 1), "make_all_reduce");

  std::vector<double> in(50, rank), out(50);
  session.make_all_reduce_into(out, in, gossamer::Op::sum).start().wait();
  expect(out[49] == ranks_sum && in[49] == rank, "make_all_reduce_into");
  auto reduce = session.make_reduce(in, gossamer::Op::sum, 0);
  reduce.start().wait(std::chrono::seconds(20));
  expect(rank != 0 || in[0] == ranks_sum, "make_reduce");
  std::vector<std::int64_t> from(10, rank);
  session.make_broadcast(from, 0).start().wait();
  expect(from[9] == 0, "make_broadcast");

  std::vector<float> sharded(100, 1.0f);
  auto scatter = session.make_reduce_scatter(sharded, gossamer::Op::sum);
  auto gather = session.make_all_gather(sharded);
  scatter.start().wait();
  const gossamer::Slice mine = scatter.slice(rank);
  for (std::size_t i = mine.first; i < mine.first + mine.count; ++i) sharded[i] *= 2.0f;
  gather.start().wait();
  expect(std::accumulate(sharded.begin(), sharded.end(), 0.0f) == 200.0f * static_cast<float>(count), "gather");

  std::vector<float> mixed(20, static_cast<float>(rank));
  gossamer::Graph graph;
  graph.kind = GOSSAMER_GRAPH_COMPLETE;
  session.make_neighbor_reduce(mixed, graph).start().wait();
  expect(mixed[0] >= 0.0f, "make_neighbor_reduce");

  const auto alone = session.make_group({rank});
  gossamer::Place place;
  place.group = &alone;
  place.name = "alone";
  session.make_all_reduce(mixed, gossamer::Op::sum, place).start().wait();
  session.make_barrier().start().wait();
  gossamer::CollectiveConfig config;
  config.kind = GOSSAMER_BARRIER;
  session.make_collective(config).start().wait();
}

void check_compressor(gossamer::Session& session) {
  const float rank = static_cast<float>(session.rank());
  const float mean = static_cast<float>(session.rank_count() - 1) / 2.0f;
  gossamer::CompressorConfig config;
  config.algorithm = GOSSAMER_DENSE;
  auto compressor = session.make_compressor({{"weights", 30, 0}, {"bias", 4, 1}}, config);
  std::vector<float> weights(30), bias(4), gradient(30, rank), bias_gradient(4, rank);
  compressor.compress(gradient, bias_gradient);
  auto operation = compressor.reduce();
  operation.wait();
  const auto update = compressor.recover();
  expect(update.valid() && update.is_dense() && update.values().size() == 34 && update.indices().empty(), "recover");
  update.apply(2.0f, weights, bias);
  expect(weights[29] == 2.0f * mean && bias[3] == 2.0f * mean, "apply");
  std::vector<std::vector<float>> all{gradient, bias_gradient};
  compressor.compress_each(all);
  const float* pointers[] = {gradient.data(), bias_gradient.data()};
  compressor.compress_pointers(pointers);
  expect(compressor.stats().operations == 1, "stats");
  const auto state = compressor.save();
  compressor.load(state);
  expect(session.report().find("gossamer.session/1") != std::string::npos, "report");
  compressor.compress_pointers(pointers);
  static int completions = 0;  // stays until it is called
  auto second = compressor.reduce();
  second.on_complete([](void* context, std::int32_t) { ++*static_cast<int*>(context); }, &completions);
  second.wait();
}

void check_results() {
  auto session = gossamer::results::Session::init();
  expect(session.ok(), "init");
  // A mean of integers, on every rank; a root that is none.
  std::vector<std::int32_t> words(3, 1);
  const auto refused = session->all_reduce(words, gossamer::Op::mean);
  expect(!refused && refused.status() != GOSSAMER_DONE && !refused.error().message().empty(), "a mean of integers");
  auto collective = session->make_broadcast(words, session->rank_count());
  expect(!collective && !collective.error().message().empty(), "a root that is none");
  auto group = session->make_group({session->rank(), session->rank()});
  expect(group.status() == GOSSAMER_INVALID_ARGUMENT, "a rank twice");
  expect(session->barrier().ok(), "barrier");
  session->finalize();
  expect(session->barrier().status() == GOSSAMER_INVALID_ARGUMENT, "a session that has ended");
}

// A session by an id that its own process made, and by a function of C.
void check_other_ways_in() {
  gossamer::Config config;
  config.bind_host = "127.0.0.1";
  auto id = gossamer::Session::make_unique_id(config);
  auto session = gossamer::Session::init_with_id(id, 0, 1, config);
  expect(session.rank_count() == 1, "init_with_id");
  config.rank = 0;
  config.rank_count = 1;
  config.rendezvous = "127.0.0.1:29411";
  auto other = gossamer::Session::init_by([&](gossamer_session** made) { return gossamer_init(&config, made); });
  expect(other.rank() == 0, "init_by");
}

}  // namespace

int main() {
  int ranks = 0;
  try {
    {
      auto session = gossamer::Session::init();
      ranks = session.rank_count();
      check_vectors(session);
      check_compressor(session);
      if (session.rank() == 0) check_other_ways_in();
    }
    check_results();
  } catch (const gossamer::Exception& exception) {
    std::printf("failed: %s\n", exception.what());
    return 1;
  }
  std::printf("values are equal on %d ranks\n", ranks);
  return 0;
}
