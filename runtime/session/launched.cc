#include "runtime/session/launched.h"

#include "runtime/bootstrap/catalogue.h"
#include "runtime/bootstrap/meet.h"

namespace gossamer::runtime {
namespace {

template <typename Value>
Status check_same(const char* name, const char* variable, bool is_said, const Value& said, const Value& launched,
                  const Bootstrap& bootstrap) {
  if (!is_said || said == launched) return {};
  return Error{Code::invalid_argument,
               text(name, " is ", said, " (", variable, "), but ", bootstrap.name(), " says ", launched,
                    ": say both GOSSAMER_RANK and GOSSAMER_RANK_COUNT, and no launcher is asked, or neither")};
}

// Others than this process's own.
bool carries_secret(const Settings& settings, const Meeting& meeting) {
  return settings.said.secret || !meeting.secret.empty();
}

}  // namespace

Result<Meeting> meet_as_launched(Settings& settings, std::unique_ptr<Bootstrap> bootstrap, const Deadline& deadline) {
  const bool is_callers = bootstrap != nullptr;
  if (!is_callers) {
    BootstrapRequest request{settings.folder, settings.job, std::nullopt, settings.init_timeout_ns};
    if (settings.said.rank && settings.said.rank_count)
      request.place = LaunchedPlace{settings.rank.value, settings.rank_count, {}, {}};
    GOSSAMER_ASSIGN(bootstrap, settings.launched_by->make(request));
    if (bootstrap == nullptr) return Meeting{settings.rendezvous, {}, settings.rendezvous_advice, {}};
  }
  const std::uint32_t rank_count = bootstrap->rank_count();
  const Rank rank = bootstrap->rank();
  GOSSAMER_TRY(check_same("rank_count", "GOSSAMER_RANK_COUNT", settings.said.rank_count && !is_callers,
                          settings.rank_count, rank_count, *bootstrap));
  GOSSAMER_TRY(check_same("rank", "GOSSAMER_RANK", settings.said.rank && !is_callers, settings.rank.value, rank.value,
                          *bootstrap));
  if (rank_count == 0 || rank.value >= rank_count)
    return Error{Code::invalid_argument, text(bootstrap->name(), " says that this process is rank ", rank.value, " of ",
                                              rank_count, ", which does not exist")};
  settings.rank = rank;
  settings.rank_count = rank_count;
  if (!settings.said.job && !bootstrap->job().empty()) settings.job = bootstrap->job();
  if (rank_count == 1) return Meeting{settings.rendezvous, {}, {}, {}};
  GOSSAMER_ASSIGN(auto meeting,
                  meet(*bootstrap,
                       {settings.said.rendezvous ? settings.rendezvous : std::string(),
                        settings.said.bind_host ? settings.bind_host : std::string(), settings.said.secret},
                       deadline.left_ns()));
  if (settings.said.secret) meeting.secret.clear();
  if (meeting.rendezvous.empty()) meeting.rendezvous = settings.rendezvous;
  if (!settings.said.bind_host && carries_secret(settings, meeting))
    settings.bind_host = bind_host_for(meeting.rendezvous);
  if (settings.launched_by->name == "slurm" && !is_callers && !carries_secret(settings, meeting))
    return Error{Code::invalid_argument,
                 "these ranks are on several hosts, and Slurm's variables hold nothing that only they know: start them "
                 "with `srun --mpi=pmix` or `srun --mpi=pmi2`, name a folder that all hosts see in GOSSAMER_FOLDER, or "
                 "give them a secret (GOSSAMER_SECRET=file:PATH, or none on a network that you trust)"};
  log(LogLevel::info, text("rank ", rank.value, " of ", rank_count, " by ", bootstrap->name(), ": ranks meet at ",
                           meeting.rendezvous, meeting.secret.empty() ? "" : ", with a secret of this session"));
  return meeting;
}

}  // namespace gossamer::runtime
