#include "tools/train/train_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bindings/c/gossamer.h"
#include "runtime/runtime.h"
#include "tools/train/choices.h"
#include "topology/topology.h"

namespace gossamer::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
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
#define LAST_CHOICE(field, ...) config.field = choice_names(#field).back();
  GOSSAMER_OPTION_TABLE(LAST_CHOICE)
#undef LAST_CHOICE
  config.keep_k = true;
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

// Goal: names stand for the C interface's numbers. Method: every row of the catalogues beside the header's enumerator
// of its name; types of cells and options by hand.
TEST(TrainConfig, NamesAreTheInterfacesNumbers) {
  using Numbers = std::map<std::string, std::int32_t>;
#define GOSSAMER_TEST_ALGORITHM(row, NAME, ...) {std::string(runtime::row_of_##row.name), GOSSAMER_##NAME},
  const Numbers algorithms = {GOSSAMER_ALGORITHM_TABLE(GOSSAMER_TEST_ALGORITHM)};
#undef GOSSAMER_TEST_ALGORITHM
#define GOSSAMER_TEST_SCHEDULE(name, NAME, number, words, ...) {words, GOSSAMER_SCHEDULE_##NAME},
  Numbers schedules = {GOSSAMER_SCHEDULE_TABLE(GOSSAMER_TEST_SCHEDULE)};
#undef GOSSAMER_TEST_SCHEDULE
  schedules["auto"] = GOSSAMER_SCHEDULE_AUTO;
  const std::map<std::string, Numbers> numbers = {
      {"algorithm", algorithms},
      {"schedule", schedules},
      {"cells",
       {{"f32", GOSSAMER_CELLS_F32},
        {"bf16", GOSSAMER_CELLS_BF16},
        {"f16", GOSSAMER_CELLS_F16},
        {"i8", GOSSAMER_CELLS_I8},
        {"i16", GOSSAMER_CELLS_I16}}},
      {"selection", {{"top", GOSSAMER_SELECT_TOP}, {"heavymix", GOSSAMER_SELECT_HEAVYMIX}}},
      {"decode", {{"whole", GOSSAMER_DECODE_WHOLE}, {"sharded", GOSSAMER_DECODE_SHARDED}}}};
  for (const auto& [flag, names] : numbers) {
    EXPECT_THAT(choice_names(flag), SizeIs(names.size())) << flag;
    for (const auto& [name, number] : names) EXPECT_EQ(choice_number(flag, name), number) << flag << " " << name;
  }
  for (const std::string& name : choice_names("values"))
    EXPECT_EQ(choice_number("values", name), choice_number("cells", name)) << name;
}

// Goal: the command line knows every option of the compressor, its names and its meaning, and no other name. Method:
// the help, and each name and a wrong one on the command line.
TEST(TrainConfig, EveryOptionOfTheCompressorIsAFlag) {
  for (const runtime::OptionRow& option : runtime::all_options) {
    TrainConfig config;
    CLI::App app;
    add_training_options(app, config);
    std::string flag = "--" + std::string(option.field);
    std::replace(flag.begin(), flag.end(), '_', '-');
    EXPECT_THAT(app.help(), AllOf(HasSubstr(flag), HasSubstr(std::string(option.meaning))));
    for (const runtime::Choice& choice : option.choices) {
      EXPECT_THAT(app.help(), HasSubstr(std::string(choice.name)));
      app.parse(std::vector<std::string>{flag + "=" + std::string(choice.name)});
      EXPECT_EQ(config_json(config).at(option.field), choice.name);
    }
    EXPECT_THROW(app.parse(std::vector<std::string>{flag + "=no-such-name"}), CLI::ValidationError);
  }
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

}  // namespace
}  // namespace gossamer::tools
