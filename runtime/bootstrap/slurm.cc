#include "runtime/bootstrap/slurm.h"

#include "runtime/bootstrap/folder.h"

namespace gossamer::runtime {
namespace {

class SlurmBootstrap final : public Bootstrap {
 public:
  SlurmBootstrap(LaunchedPlace place, std::string job, std::string rendezvous)
      : place_(std::move(place)), job_(std::move(job)), rendezvous_(std::move(rendezvous)) {}
  std::string name() const override { return "Slurm's variables"; }
  Rank rank() const override { return Rank{place_.rank}; }
  std::uint32_t rank_count() const override { return place_.rank_count; }
  std::string job() const override { return job_; }
  bool is_one_host() const override { return false; }
  std::optional<Meeting> meeting() override {
    Meeting meeting;
    meeting.rendezvous = rendezvous_;
    meeting.advice =
        "it follows from Slurm's job and step: set GOSSAMER_RENDEZVOUS or GOSSAMER_FOLDER, or use srun --mpi=pmix";
    return meeting;
  }
  Result<std::string> broadcast(std::string_view, std::uint64_t) override {
    return Error{Code::internal, "Slurm's variables carry no words"};
  }

 private:
  const LaunchedPlace place_;
  const std::string job_;
  const std::string rendezvous_;
};

}  // namespace

std::optional<std::string> first_host(std::string_view list) {
  std::string host;
  for (std::size_t at = 0; at < list.size() && list[at] != ','; ++at) {
    if (list[at] != '[') {
      host += list[at];
      continue;
    }
    const std::size_t close = list.find(']', at);
    const std::size_t end = list.find_first_of("-,]", at);
    if (close == std::string_view::npos || end == at + 1) return std::nullopt;
    host += list.substr(at + 1, end - at - 1);
    at = close;
  }
  if (host.empty() || host.find(']') != std::string::npos) return std::nullopt;
  return host;
}

std::uint16_t port_of_step(std::string_view job, std::string_view step) {
  std::uint64_t word = 0;
  for (const char letter : text(job, ".", step)) word = mix64(word, static_cast<unsigned char>(letter));
  return static_cast<std::uint16_t>(10'000 + word % 20'000);
}

std::optional<std::string> slurm_signs() {
  const auto place = place_of("SLURM_PROCID", "SLURM_STEP_NUM_TASKS");
  if (!place || launch_variable("SLURM_JOB_ID").empty() || launch_variable("SLURM_STEP_ID").empty() ||
      launch_variable("SLURM_STEP_NODELIST").empty())
    return std::nullopt;
  // An mpirun that srun started hands the step's variables on: then each of its processes is this one task.
  if (const auto inner = launch_number("PMI_SIZE"); inner && *inner != place->rank_count) return std::nullopt;
  if (launch_number("OMPI_COMM_WORLD_SIZE").value_or(place->rank_count) != place->rank_count) return std::nullopt;
  return "SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_STEP_ID and SLURM_STEP_NODELIST are set";
}

std::optional<LaunchedPlace> slurm_place() { return place_of("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"); }

Result<std::unique_ptr<Bootstrap>> make_slurm_bootstrap(const BootstrapRequest& request) {
  const auto place = slurm_place();
  const auto host = first_host(launch_variable("SLURM_STEP_NODELIST"));
  if (!place || !host)
    return Error{Code::invalid_argument,
                 text("Slurm's variables are no step's: SLURM_PROCID is \"", launch_variable("SLURM_PROCID"),
                      "\", SLURM_STEP_NUM_TASKS \"", launch_variable("SLURM_STEP_NUM_TASKS"),
                      "\", SLURM_STEP_NODELIST \"", launch_variable("SLURM_STEP_NODELIST"), "\"")};
  const std::string_view id = launch_variable("SLURM_JOB_ID");
  const std::string_view step = launch_variable("SLURM_STEP_ID");
  const std::string job = text(id, ".", step);
  const bool is_one_host = launch_number("SLURM_STEP_NUM_NODES") == 1u;
  std::string folder = request.folder;
  if (folder.empty() && is_one_host) {
    GOSSAMER_ASSIGN(folder, private_folder());
  }
  if (!folder.empty())
    return make_folder_bootstrap(
        {text("Slurm's variables and the folder ", folder), folder, text("slurm-", job), *place, is_one_host});
  return std::unique_ptr<Bootstrap>(
      std::make_unique<SlurmBootstrap>(*place, job, text(*host, ":", port_of_step(id, step))));
}

}  // namespace gossamer::runtime
