// Writes reports for a browser to look at: example_reports FOLDER.
#include <cstdio>
#include <string>

#include "base/base.h"
#include "example_measurement.h"
#include "tools/command/results.h"
#include "tools/topo/report_page.h"

namespace gossamer::tools {
namespace {

int write_reports(const std::string& folder) {
  ExampleCluster small{.hosts = 4, .ranks_per_host = 2, .slow_host = 2, .slow_direction_to = 1};
  ExampleCluster dead{.hosts = 8, .ranks_per_host = 8, .hosts_per_switch = 4, .slow_host = 5, .dead_rank = 17};
  ExampleCluster large{
      .hosts = 32, .ranks_per_host = 8, .hosts_per_switch = 8, .slow_host = 20, .slow_direction_to = 9};
  ExampleCluster wide{.hosts = 256, .ranks_per_host = 1, .hosts_per_switch = 32, .is_loaded_too = false};
  wide.sampled_fraction = 0.2;
  ExampleCluster alone{.hosts = 1, .ranks_per_host = 1};
  ExampleCluster together{.hosts = 1, .ranks_per_host = 4};
  ExampleCluster hostile{.hosts = 3, .ranks_per_host = 2, .hosts_per_switch = 2, .dead_rank = 1};
  hostile.host_prefix = "<script>console.error('ran')</script>\"><img src=x onerror=alert(1)>&amp;</script><!--";
  const std::pair<const char*, ExampleCluster> all[] = {{"ranks-8", small},        {"ranks-64", dead},
                                                        {"ranks-256", large},      {"ranks-256-sampled", wide},
                                                        {"ranks-1", alone},        {"ranks-4-together", together},
                                                        {"hostile-names", hostile}};
  for (const auto& [name, cluster] : all) {
    const Status written = write_whole(text(folder, '/', name, ".html"), report_page(example_measurement(cluster)));
    if (written.ok()) continue;
    std::fputs((written.error().message + "\n").c_str(), stderr);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace gossamer::tools

int main(int count, char** arguments) {
  if (count == 2) return gossamer::tools::write_reports(arguments[1]);
  std::fputs("usage: example_reports FOLDER\n", stderr);
  return 2;
}
