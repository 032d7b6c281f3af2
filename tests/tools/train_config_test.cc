#include "tools/train/train_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bindings/c/gossamer.h"
#include "topology/topology.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Goal: peers train with exactly what the parent was told. Method: a configuration with no default left, to arguments
// and back.
TEST(TrainConfig, PeerArgumentsGiveTheSameConfigurationBack) {
  TrainConfig config;
  config.dataset = "synthetic";
  config.data = "/some where/else";
  config.samples = 77;
  config.features = 13;
  config.classes = 4;
  config.hidden = {9, 8, 7};
  config.epochs = 3;
  config.steps = 21;
  config.batch = 33;
  config.rate = 0.1 + 1e-17 + 1.0 / 3;
  config.density = 1.0 / 7;
  config.rows = 5;
  config.columns = 123;
  config.oversampling = 2.5;
  config.momentum = 0.0;
  config.clip = 0.25;
  config.selection = "heavymix";
  config.keep_k = true;
  config.decode = "sharded";
  config.cells = "i8";
  config.values = "i16";
  config.threads = 3;
  config.exact_biases = false;
  config.schedule = "ring";
  config.seed = 18'446'744'073'709'551'615u;
  config.transport = "ucx";
  config.dump = "folder";
  config.dump_gradients = "another folder";
  config.dump_every = 17;
  const nlohmann::json changed = config_json(config);
  const nlohmann::json defaults = config_json(TrainConfig());
  for (const auto& [name, value] : changed.items()) {
    if (name == "ranks" || name == "algorithms") continue;  // what a peer is not told
    EXPECT_NE(value, defaults.at(name)) << name << " is at its default";
  }
  std::vector<std::string> arguments = peer_arguments(config, "top-k");
  EXPECT_EQ(arguments[0], "train");
  EXPECT_EQ(arguments[1], "--algorithm=top-k");
  arguments.erase(arguments.begin(), arguments.begin() + 2);
  std::reverse(arguments.begin(), arguments.end());
  TrainConfig back;
  CLI::App app;
  add_training_options(app, back);
  app.parse(arguments);
  EXPECT_EQ(config_json(back), config_json(config));
}

// Goal: names stand for the C interface's numbers. Method: all of the three lists.
TEST(TrainConfig, NamesAreTheInterfacesNumbers) {
  EXPECT_EQ(algorithm_number("gs-sgd"), GOSSAMER_GS_SGD);
  EXPECT_EQ(algorithm_number("shared-top-k"), GOSSAMER_SHARED_TOP_K);
  EXPECT_EQ(algorithm_number("top-k"), GOSSAMER_TOP_K);
  EXPECT_EQ(algorithm_number("dense"), GOSSAMER_DENSE);
  const std::map<std::string, std::int32_t> schedules = {{"auto", GOSSAMER_SCHEDULE_AUTO},
                                                         {"binomial-tree", GOSSAMER_SCHEDULE_BINOMIAL_TREE},
                                                         {"butterfly", GOSSAMER_SCHEDULE_BUTTERFLY},
                                                         {"circulant", GOSSAMER_SCHEDULE_CIRCULANT},
                                                         {"ring", GOSSAMER_SCHEDULE_RING},
                                                         {"star", GOSSAMER_SCHEDULE_STAR},
                                                         {"halving-doubling", GOSSAMER_SCHEDULE_HALVING_DOUBLING},
                                                         {"double-tree", GOSSAMER_SCHEDULE_DOUBLE_TREE},
                                                         {"pipelined-tree", GOSSAMER_SCHEDULE_PIPELINED_TREE},
                                                         {"chain", GOSSAMER_SCHEDULE_CHAIN}};
  for (const auto& [name, number] : schedules) EXPECT_EQ(schedule_number(name), number) << name;
  EXPECT_THAT(schedule_names(), SizeIs(topology::all_schedules().size() + 1));
  EXPECT_EQ(cells_number("f32"), GOSSAMER_CELLS_F32);
  EXPECT_EQ(cells_number("bf16"), GOSSAMER_CELLS_BF16);
  EXPECT_EQ(cells_number("f16"), GOSSAMER_CELLS_F16);
  EXPECT_EQ(cells_number("i8"), GOSSAMER_CELLS_I8);
  EXPECT_EQ(cells_number("i16"), GOSSAMER_CELLS_I16);
}

// Goal: a wrong choice is told with its flag and what is allowed. Method: one wrong field at a time.
TEST(TrainConfig, RefusesWhatNoRunCanBeMadeOf) {
  EXPECT_TRUE(check_config({}).ok());
  const auto message = [](auto change) {
    TrainConfig config;
    change(config);
    const Status status = check_config(config);
    return status.ok() ? std::string("accepted") : status.error().message;
  };
  EXPECT_THAT(message([](TrainConfig& c) { c.ranks = 0; }), HasSubstr("--ranks 0: expected 1"));
  EXPECT_THAT(message([](TrainConfig& c) {
                c.algorithms = {"dense", "sgd"};
              }),
              HasSubstr("--algorithm sgd: expected gs-sgd"));
  EXPECT_THAT(message([](TrainConfig& c) {
                c.decode = "sharded";
                c.selection = "heavymix";
              }),
              HasSubstr("--decode sharded with --selection heavymix: expected --selection top"));
  EXPECT_THAT(message([](TrainConfig& c) { c.rows = 4; }), HasSubstr("--rows 4: expected an odd number"));
  EXPECT_THAT(message([](TrainConfig& c) { c.density = 1.5; }), HasSubstr("--density 1.5: expected a fraction"));
  EXPECT_THAT(message([](TrainConfig& c) { c.oversampling = 0.5; }), HasSubstr("--oversampling 0.5"));
  EXPECT_THAT(message([](TrainConfig& c) { c.momentum = 1; }), HasSubstr("--momentum 1"));
  EXPECT_THAT(message([](TrainConfig& c) { c.rate = -1; }), HasSubstr("--rate -1"));
  EXPECT_THAT(message([](TrainConfig& c) { c.batch = 0; }), HasSubstr("--batch 0"));
  EXPECT_THAT(message([](TrainConfig& c) { c.hidden = {5, 0}; }), HasSubstr("--hidden 5,0"));
  EXPECT_THAT(message([](TrainConfig& c) { c.clip = std::stod("nan"); }), HasSubstr("--clip nan"));
}

// Goal: the model is the one that the measurements speak of. Method: its dimension is known.
TEST(TrainConfig, FashionMnistModelHasItsKnownDimension) {
  EXPECT_EQ(model_sizes({}), (std::vector<std::uint32_t>{784, 512, 256, 10}));
  EXPECT_EQ(model_dimension({}).sparse + model_dimension({}).exact, 535'818u);
  EXPECT_EQ(model_dimension({}).exact, 778u);
  TrainConfig config;
  config.exact_biases = false;
  EXPECT_EQ(model_dimension(config).exact, 0u);
  EXPECT_EQ(model_dimension(config).sparse, 535'818u);
}

// Goal: each region where gs-SGD was seen to fail is warned of, and nothing else. Method: one choice at a time.
TEST(DivergenceWarnings, NameWhatWasMeasuredInEachBadRegion) {
  const auto warnings = [](auto change, const std::string& algorithm = "gs-sgd") {
    TrainConfig config;
    change(config);
    return divergence_warnings(config, algorithm);
  };
  EXPECT_THAT(warnings([](TrainConfig&) {}), IsEmpty());
  const auto expect_one = [&](auto change, const char* words) {
    const std::vector<std::string> found = warnings(change);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_THAT(found.front(), HasSubstr(words));
    EXPECT_THAT(found.front(), HasSubstr("Measured"));
    EXPECT_THAT(warnings(change, "shared-top-k"), IsEmpty());
  };
  expect_one([](TrainConfig& c) { c.density = 0.001; }, "--density 0.1 % is below 0.5 %");
  expect_one([](TrainConfig& c) { c.oversampling = 1; }, "--oversampling 1 is below 2");
  expect_one([](TrainConfig& c) { c.rows = 1; }, "--rows 1");
  expect_one([](TrainConfig& c) { c.columns = 1000; }, "below half of the 10433 chosen");
  expect_one([](TrainConfig& c) { c.selection = "heavymix"; }, "--selection heavymix");
  expect_one([](TrainConfig& c) { c.keep_k = true; }, "--keep-k");
  expect_one([](TrainConfig& c) { c.momentum = 0.9; }, "--momentum 0.9");
  expect_one([](TrainConfig& c) { c.clip = 0; }, "--clip 0");
  expect_one([](TrainConfig& c) { c.rate = 2; }, "--rate 2");
}

}  // namespace
}  // namespace gossamer::tools
