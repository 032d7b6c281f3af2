#include "runtime/control/joining/gathering.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "runtime/control/fields.h"
#include "runtime/control/joining/rank_hosts.h"

namespace gossamer::runtime {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// How long a refusal waits for ranks that are still on their way, so that they hear the same words.
constexpr std::chrono::milliseconds linger_max{1000};
// How long it waits for those that came to read it.
constexpr std::chrono::milliseconds telling_max{300};
// A numeric address, with room for a zone. All ranks' go into one Welcome, which must stay small enough to send.
constexpr std::size_t listen_address_bytes_max = 64;

}  // namespace

std::string process_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {'?'};
  return text(host.data(), ":", ::getpid());
}

Gathering::Gathering(JoinTask task)
    : options_(task.options),
      shared_(task.shared.begin(), task.shared.end()),
      address_(socket_address_text(local_address_of(task.places.listener))),
      process_(process_name()),
      remark_(std::move(task.places.remark)),
      bytes_sent_(task.bytes_sent),
      done_(std::move(task.done)),
      timer_(task.io),
      deadline_(task.deadline),
      deadline_ns_(options_.deadline_ns),
      members_(options_.rank_count),
      door_(task.io, {std::move(task.places.listener), "rendezvous " + address_, options_.rank_count}, bytes_sent_,
            options_.secret, *this) {
  door_.set_session(random_bytes(session_id_bytes));
  Member& self = members_[0];
  self.came = self.ready = self.told = true;
  self.hello.set_process(process_);
}

void Gathering::start() {
  watch_deadline();
  door_.open();
}

bool Gathering::admit(const std::shared_ptr<Connection>& connection, const wire::Message& first) {
  if (!first.has_hello() || first.hello().magic() != control_magic || phase_ == Phase::over) return false;
  connection->rank = first.hello().rank();
  note(connection, first.hello());
  return true;
}

Result<bool> Gathering::may_prove(const wire::Message& first) {
  const wire::Hello& hello = first.hello();
  if (!first.has_hello() || hello.magic() != control_magic || phase_ == Phase::over) return false;
  if (auto other = check_job(hello)) {
    remark(other->message);
    return *std::move(other);
  }
  std::string words;
  if (hello.protocol() != control_protocol) {
    words = text("control protocol: rank 0 has ", control_protocol, ", rank ", hello.rank(), " has ", hello.protocol());
  } else if (hello.nonce().empty()) {
    words = text("session secret: rank 0 has one, rank ", hello.rank(), " has none");
  } else {
    return hello.nonce().size() == nonce_bytes;
  }
  words += text(" (", shown(hello.process()), "); all ranks need the same version and the same GOSSAMER_SECRET");
  remark(words);
  return Error{Code::mismatch, words, Rank{hello.rank()}};
}

void Gathering::note_forger(const Connection& connection, const wire::Message& first) {
  remark(text("a peer at ", connection.peer_text(), " that calls itself rank ", first.hello().rank(), " (",
              shown(first.hello().process()), ") has another session secret"));
}

void Gathering::remark(std::string words) {
  if (turned_away_++ == 0) first_turned_away_ = std::move(words);
}

void Gathering::turn_away(Connection& connection, const Error& error) {
  remark(error.message);
  wire::Message message;
  set_error(*message.mutable_refusal(), error);
  connection.send(message);
  connection.close();
}

void Gathering::note(const std::shared_ptr<Connection>& connection, const wire::Hello& hello) {
  if (const auto other = check_job(hello)) return turn_away(*connection, *other);
  const std::optional<Objection> objection = object_to(hello);
  if (phase_ == Phase::refused) {
    if (hello.rank() < members_.size()) members_[hello.rank()].told = true;
    connection->set_owner(this);
    tell_refusal(connection);
    connection->read();
    return finish_refusal_if_told();
  }
  if (objection && (!objection->ends_all || phase_ != Phase::gathering))
    return turn_away(*connection, objection->error);
  connection->set_owner(this);
  connection->read();
  if (objection) {
    if (hello.rank() < members_.size()) members_[hello.rank()].told = true;
    telling_.push_back(connection);
    return refuse(objection->error, Linger::yes);
  }
  Member& member = members_[hello.rank()];
  member.connection = connection;
  member.hello = hello;
  member.came = true;
  wire::Message noted;
  noted.mutable_noted();
  connection->send(noted);

  // The first rank that can wait no longer ends the wait of all.
  const Time theirs = time_after(hello.remaining_ns());
  if (theirs < deadline_) {
    deadline_ = theirs;
    deadline_ns_ = hello.deadline_ns();
    watch_deadline();
  }
  if (ranks_without(&Member::came).empty()) welcome_all();
}

std::optional<Gathering::Objection> Gathering::object_to(const wire::Hello& hello) const {
  const Rank rank{hello.rank()};
  const auto differs = [&](std::string_view name, const auto& mine, const auto& theirs) {
    return Objection{
        {Code::mismatch,
         text(name, ": rank 0 has ", mine, ", rank ", rank.value, " has ", theirs, " (", shown(hello.process()), ")"),
         rank},
        true};
  };
  if (hello.protocol() != control_protocol) return differs("control protocol", control_protocol, hello.protocol());
  if (!options_.secret.is_set() && !hello.nonce().empty()) return differs("session secret", "none", "one");
  if (hello.rank_count() != options_.rank_count) {
    Objection objection = differs("rank count", options_.rank_count, hello.rank_count());
    if (options_.job != unnamed_job) return objection;
    objection.ends_all = false;
    objection.error.message += "; no job was named (GOSSAMER_JOB), so this is taken for a rank of another one";
    return objection;
  }
  if (auto wrong = check_place(hello)) return Objection{*std::move(wrong), false};
  if (hello.listen_address().size() > listen_address_bytes_max) {
    return Objection{{Code::mismatch,
                      text("rank ", rank.value, " (", shown(hello.process()), ") gives an address of ",
                           hello.listen_address().size(), " B to reach it at; expected a numeric one, of at most ",
                           listen_address_bytes_max, " B"),
                      rank},
                     true};
  }
  const std::vector<Field> theirs = fields_of(hello.shared());
  if (const auto difference = first_difference({Rank{0}, shared_}, {rank, theirs})) {
    return Objection{{Code::mismatch, *difference, rank}, true};
  }
  return std::nullopt;
}

// A difference here is no mistake of this session's, so it never ends it.
std::optional<Error> Gathering::check_job(const wire::Hello& hello) const {
  const std::vector<Field> theirs = fields_of(hello.shared());
  const auto job =
      std::find_if(theirs.begin(), theirs.end(), [](const Field& field) { return field.name == job_field; });
  if (job == theirs.end() || job->value == options_.job) return std::nullopt;
  return Error{Code::mismatch,
               text("job: rank 0 has ", shown(options_.job), ", rank ", hello.rank(), " has ", shown(job->value), " (",
                    shown(hello.process()),
                    "), so another job meets here: give jobs that run at once a rendezvous "
                    "each (GOSSAMER_RENDEZVOUS), and all ranks of one job the same GOSSAMER_JOB"),
               Rank{hello.rank()}};
}

std::optional<Error> Gathering::check_place(const wire::Hello& hello) const {
  const Rank rank{hello.rank()};
  if (rank.value >= options_.rank_count) {
    return Error{Code::mismatch, text("a peer (", shown(hello.process()), ") claims rank ", rank.value, " of ",
                                      options_.rank_count, "; the last rank is ", options_.rank_count - 1)};
  }
  if (members_[rank.value].came) {
    return Error{Code::mismatch,
                 text("two peers claim rank ", rank.value, ": ", shown(members_[rank.value].hello.process()), " and ",
                      shown(hello.process()), "; give each process a rank of its own"),
                 rank};
  }
  return std::nullopt;
}

// Who listens everywhere and came over loopback is on this host, so it can be reached where this host can be.
void Gathering::welcome_all() {
  phase_ = Phase::meshing;
  for (const Member& receiver : members_) {
    if (!receiver.connection) continue;
    const asio::ip::address here = receiver.connection->local_address();
    wire::Message message;
    for (const Member& member : members_) {
      wire::Welcome::Member* entry = message.mutable_welcome()->add_members();
      const auto address = numeric_address(member.hello.listen_address());
      const bool local = address && address->is_loopback() && !here.is_loopback();
      entry->set_listen_address(local ? here.to_string() : member.hello.listen_address());
      entry->set_listen_port(member.hello.listen_port());
      entry->set_key(member.hello.key());
    }
    receiver.connection->send(message);
  }
}

void Gathering::on_message(Connection& connection, const wire::Message& message) {
  if (phase_ == Phase::refused) return connection.read();  // until it ends
  if (!message.has_ready() || phase_ != Phase::meshing) {
    const std::shared_ptr<Connection> keep = connection.shared_from_this();
    connection.close();
    return on_end(connection, "it sent a message that has no place in joining", ConnectionEnd::malformed);
  }
  if (!message.ready().trouble().empty()) {
    refuse({Code::unavailable, shown(message.ready().trouble()), Rank{connection.rank}}, Linger::yes);
    return connection.read();
  }
  members_[connection.rank].ready = true;
  if (ranks_without(&Member::ready).empty()) return start_all();
  connection.read();
}

void Gathering::on_end(Connection& connection, const std::string& reason, ConnectionEnd) {
  if (phase_ == Phase::refused) {
    std::erase_if(telling_, [&](const std::shared_ptr<Connection>& told) { return told.get() == &connection; });
    return finish_refusal_if_told();
  }
  if (phase_ == Phase::over) return;
  const Member& member = members_[connection.rank];
  refuse({Code::peer_lost,
          text("rank ", connection.rank, " (", shown(member.hello.process()),
               ") was lost while the session was "
               "being joined: ",
               reason),
          Rank{connection.rank}},
         Linger::yes);
}

void Gathering::start_all() {
  wire::Message message;
  message.mutable_start();
  Connections connections(members_.size());
  for (std::size_t rank = 1; rank < members_.size(); ++rank) {
    connections[rank] = members_[rank].connection;
    connections[rank]->send(message);
  }
  finish(std::move(connections));
}

void Gathering::watch_deadline() {
  timer_.expires_at(deadline_);
  timer_.async_wait([this](const error_code& error) {
    if (!error && phase_ != Phase::over && std::chrono::steady_clock::now() >= deadline_) deadline_passed();
  });
}

void Gathering::deadline_passed() {
  if (phase_ == Phase::refused) return finish(*refusal_);
  const bool gathering = phase_ == Phase::gathering;
  const std::vector<Rank> missing = ranks_without(gathering ? &Member::came : &Member::ready);
  const std::string besides =
      turned_away_ == 0 ? std::string()
                        : text("; ", turned_away_, turned_away_ == 1 ? " connection was" : " connections were",
                               " turned away, the first one because: ", first_turned_away_);
  refuse({Code::deadline,
          gathering ? text(name_ranks(missing), on_hosts(options_.rank_hosts, missing), " of ", options_.rank_count,
                           " did not come to ", address_, " within ", format_duration(deadline_ns_), besides,
                           hosts_that_came(), remark_)
                    : text(name_ranks(missing), on_hosts(options_.rank_hosts, missing), " of ", options_.rank_count,
                           " did not connect to all their peers within ", format_duration(deadline_ns_)),
          missing.front()},
         Linger::no);
}

// Where no launcher has told on which hosts the ranks are, those of the others say which host is missing.
std::string Gathering::hosts_that_came() const {
  std::vector<std::string> hosts;
  for (const Member& member : members_) {
    if (!member.came) continue;
    const std::string& process = member.hello.process();  // process_name()
    std::string host = shown(std::string_view(process).substr(0, process.rfind(':')));
    if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(std::move(host));
  }
  if (!options_.rank_hosts.empty() || hosts.size() < 2) return {};
  constexpr std::size_t told_max = 16;
  std::string out;
  for (std::size_t i = 0; i < std::min(hosts.size(), told_max); ++i) out += (i == 0 ? "" : ", ") + hosts[i];
  return text("; those that came are on ", out, hosts.size() > told_max ? ", ..." : "");
}

void Gathering::refuse(Error error, Linger linger) {
  phase_ = Phase::refused;
  refusal_ = std::move(error);
  linger_ = linger == Linger::yes;
  const Time now = std::chrono::steady_clock::now();
  deadline_ = linger_ ? std::min(std::max(deadline_, now), now + linger_max) : now + telling_max;
  watch_deadline();
  const std::vector<std::shared_ptr<Connection>> extra = std::exchange(telling_, {});
  for (Member& member : members_) {
    if (!member.connection) continue;
    member.told = true;
    if (member.connection->is_open()) tell_refusal(member.connection);
  }
  for (const auto& connection : extra) tell_refusal(connection);
  finish_refusal_if_told();
}

void Gathering::tell_refusal(const std::shared_ptr<Connection>& connection) {
  wire::Message message;
  set_error(*message.mutable_refusal(), *refusal_);
  connection->send(message);
  connection->finish();
  telling_.push_back(connection);
}

void Gathering::finish_refusal_if_told() {
  if (!telling_.empty()) return;
  if (!linger_ || ranks_without(&Member::told).empty()) finish(*refusal_);
}

void Gathering::finish(Result<Connections> result) {
  phase_ = Phase::over;
  timer_.cancel();
  door_.close();
  for (const auto& connection : telling_) connection->close();
  telling_.clear();
  if (!result.ok()) {
    for (const Member& member : members_) {
      if (member.connection) member.connection->close();
    }
  }
  const JoinDone done = std::exchange(done_, nullptr);
  if (done) done(std::move(result));
}

std::vector<Rank> Gathering::ranks_without(bool Member::*flag) const {
  std::vector<Rank> ranks;
  for (std::uint32_t rank = 0; rank < members_.size(); ++rank) {
    if (!(members_[rank].*flag)) ranks.push_back(Rank{rank});
  }
  return ranks;
}

}  // namespace gossamer::runtime
