// What monitoring demands of metrics.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/tools/temporary_folder.h"

namespace gossamer::testing {

// Each line by OpenMetrics' grammar: metadata before its samples, a unit that ends the name, the samples of a counter
// with "_total", one block a family, no series twice, the end marked.
inline void expect_well_formed(const std::string& metrics) {
  static const std::regex metadata(R"(# (HELP|TYPE|UNIT) ([a-z_0-9]+) (.+))");
  static const std::regex sample(
      R"re(([a-z_0-9]+)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? ([-+0-9.e]+))re");
  std::istringstream lines(metrics);
  std::string line;
  std::string current;
  std::string samples;  // their name
  std::set<std::string> names;
  std::set<std::string> series;
  std::smatch match;
  bool has_ended = false;
  while (std::getline(lines, line)) {
    ASSERT_FALSE(has_ended) << "behind the end: " << line;
    if (line == "# EOF") {
      has_ended = true;
    } else if (std::regex_match(line, match, metadata)) {
      if (match[1] == "HELP") {
        current = match[2];
        EXPECT_TRUE(names.insert(current).second) << "two blocks of " << current;
        EXPECT_FALSE(current.ends_with("_total")) << "a family's name has no _total: " << current;
      }
      EXPECT_EQ(match[2], current);
      if (match[1] == "TYPE") {
        EXPECT_TRUE(match[3] == "gauge" || match[3] == "counter") << line;
        samples = current + (match[3] == "counter" ? "_total" : "");
      }
      EXPECT_TRUE(match[1] != "UNIT" || current.ends_with("_" + match[3].str())) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], samples);
      EXPECT_TRUE(series.insert(match[1].str() + match[2].str()).second) << "twice: " << line;
    }
  }
  EXPECT_TRUE(has_ended);
}

// Prometheus' own check, where it is installed: nothing to complain of. It reads the older text only, in which a
// counter's metadata have the name of its samples.
inline void expect_promtool_accepts(const std::string& metrics) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "there is no promtool; install prometheus";
  std::set<std::string> counters;
  std::istringstream all(metrics);
  for (std::string line; std::getline(all, line);)
    if (line.starts_with("# TYPE ") && line.ends_with(" counter")) counters.insert(line.substr(7, line.size() - 15));
  const tools::TemporaryFolder folder;
  const std::string path = folder / "metrics";
  {
    std::ofstream file(path);
    std::istringstream again(metrics);
    for (std::string line; std::getline(again, line);) {
      const std::string name = line.starts_with("# HELP ") || line.starts_with("# TYPE ")
                                   ? line.substr(7, line.find(' ', 7) - 7)
                                   : std::string();
      if (counters.contains(name)) line.insert(7 + name.size(), "_total");
      file << line << '\n';
    }
  }
  const std::string said = folder / "said";
  const int status = std::system(("promtool check metrics <" + path + " >" + said + " 2>&1").c_str());
  std::ifstream file(said);
  const std::string words{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(status, 0) << words;
  EXPECT_EQ(words, "");
}

}  // namespace gossamer::testing
