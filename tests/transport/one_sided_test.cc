// What every transport that offers puts, notices and mapped regions must do with them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "cluster.h"
#include "skips.h"
#include "transport/region_key.h"

namespace gossamer::transport {
namespace {

class ConformanceOneSided : public OverBackends {
 protected:
  void SetUp() override {
    OverBackends::SetUp();
    if (IsSkipped()) return;
    cluster_ = std::make_unique<Cluster>(GetParam(), 2);
    ASSERT_TRUE(cluster_->at(0).capabilities().can_put);
    cluster_->open(1);
  }

  [[nodiscard]] Transport& at(std::size_t rank) { return cluster_->at(rank); }

  // Rank 0's view of rank 1's region.
  RemoteRegion import_from_1(const Region& region) {
    const auto key = at(1).export_region(region);
    GOSSAMER_CHECK(key.ok(), key.error().message);
    const auto remote = at(0).import_region(Rank{1}, *key);
    GOSSAMER_CHECK(remote.ok(), remote.error().message);
    return *remote;
  }

  std::unique_ptr<Cluster> cluster_;
};

INSTANTIATE_TEST_SUITE_P(, ConformanceOneSided, ::testing::ValuesIn(all_backends()), backend_name);

constexpr Notice notice_3{3};

// Memory as a test asks for: the caller's, or the transport's own, which may take another way.
struct Target {
  Target(Transport& owner, std::size_t bytes, bool own) : transport(owner), storage(own ? 0 : bytes) {
    const auto made =
        own ? transport.allocate_memory(bytes) : transport.register_memory(storage.data(), bytes, MemoryKind::host);
    GOSSAMER_CHECK(made.ok(), made.error().message);
    region = *made;
  }
  ~Target() { transport.release_memory(region); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  [[nodiscard]] bool is_zero(std::size_t from, std::size_t to) const {
    return std::all_of(region.base + from, region.base + to, [](std::byte b) { return b == std::byte{0}; });
  }
  Transport& transport;
  std::vector<std::byte> storage;
  Region region;
};

// Goal: a put's bytes are where they belong when its notice is there, and nowhere else. Method: sizes over the
// protocol edges, at an odd offset, into the caller's memory and into the transport's own.
TEST_P(ConformanceOneSided, PutsOfEverySizeLandBeforeTheirNotice) {
  for (const bool own : {false, true}) {
    Target in(at(1), 8 * mebibyte + 200, own);
    Block out(at(0), 8 * mebibyte);
    out.fill(4);
    const RemoteRegion remote = import_from_1(in.region);
    EXPECT_EQ(remote.bytes, in.region.bytes);
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{93}, std::size_t{8'192},
                                    std::size_t{8'257}, std::size_t{65'537}, mebibyte + 3, 8 * mebibyte}) {
      std::memset(in.region.base, 0, in.region.bytes);
      ASSERT_TRUE(at(1).start_await_notice(Rank{0}, notice_3, 1).ok());
      ASSERT_TRUE(at(0).start_put(remote, 101, out.slice(0, bytes), notice_3, 2).ok());
      ASSERT_EQ(cluster_->await(1, 1).code, Code::done) << bytes << " B, own: " << own;
      EXPECT_TRUE(std::equal(out.slice().data(), out.slice().data() + bytes, in.region.base + 101)) << bytes << " B";
      EXPECT_TRUE(in.is_zero(0, 101) && in.is_zero(101 + bytes, in.region.bytes)) << bytes << " B";
      const Completion sent = cluster_->await(0, 2);
      EXPECT_EQ(sent.code, Code::done);
      EXPECT_EQ(sent.bytes, bytes);
    }
    at(0).release_remote(remote);
  }
}

// Goal: the same wherever a library may have an edge. Method: some 1,000 sizes, the wait before and after the put in
// turns.
TEST_P(ConformanceOneSided, APutOfEverySizeAroundAnEdgeLandsWhole) {
  for (const bool own : {false, true}) {
    Target in(at(1), 70'000, own);
    Block out(at(0), 70'000);
    out.fill(14);
    const RemoteRegion remote = import_from_1(in.region);
    for (const std::size_t bytes : sizes_around_edges()) {
      std::memset(in.region.base, 0, bytes + 2);
      const auto wait = [&] { return at(1).start_await_notice(Rank{0}, notice_3, 1).ok(); };
      ASSERT_TRUE(bytes % 2 == 0 || wait());
      ASSERT_TRUE(at(0).start_put(remote, 1, out.slice(0, bytes), notice_3, 2).ok());
      ASSERT_TRUE(bytes % 2 != 0 || wait());
      ASSERT_EQ(cluster_->await(1, 1).code, Code::done) << bytes << " B, own: " << own;
      ASSERT_EQ(std::memcmp(in.region.base + 1, out.slice().data(), bytes), 0) << bytes << " B, own: " << own;
      ASSERT_TRUE(in.is_zero(0, 1) && in.is_zero(bytes + 1, bytes + 2)) << bytes << " B, own: " << own;
      ASSERT_EQ(cluster_->await(0, 2).code, Code::done);
    }
  }
}

// Goal: each put ends one wait of its notice number, whichever comes first. Method: 300 puts of one number, waits
// in three parts: before, between and after the puts; then one wait more, which must not end.
TEST_P(ConformanceOneSided, EveryPutEndsExactlyOneWait) {
  for (const bool own : {false, true}) {
    Target in(at(1), 300 * 8, own);
    Block out(at(0), 300 * 8);
    out.fill(5);
    const RemoteRegion remote = import_from_1(in.region);
    std::uint64_t waits = 0;
    const auto wait_for = [&](std::uint64_t count) {
      for (; waits < count; ++waits) ASSERT_TRUE(at(1).start_await_notice(Rank{0}, notice_3, waits).ok());
    };
    wait_for(100);
    for (std::uint64_t i = 0; i < 300; ++i) {
      ASSERT_TRUE(at(0).start_put(remote, i * 8, out.slice(i * 8, 8), notice_3, i).ok());
      if (i == 150) wait_for(200);
      if (i % 10 == 0) cluster_->step();
    }
    for (std::uint64_t i = 0; i < 200; ++i) ASSERT_EQ(cluster_->await(1, i).code, Code::done) << i;
    for (std::uint64_t i = 0; i < 300; ++i) ASSERT_EQ(cluster_->await(0, i).code, Code::done) << i;
    wait_for(300);
    for (std::uint64_t i = 200; i < 300; ++i) ASSERT_EQ(cluster_->await(1, i).code, Code::done) << i;
    EXPECT_TRUE(std::equal(out.slice().data(), out.slice().data() + 2'400, in.region.base));
    const auto surplus = at(1).start_await_notice(Rank{0}, notice_3, 999);
    ASSERT_TRUE(surplus.ok());
    for (int i = 0; i < 200; ++i) cluster_->step();
    EXPECT_FALSE(cluster_->has(1, 999)) << "own: " << own;
    at(1).cancel(*surplus);
    EXPECT_EQ(cluster_->await(1, 999).code, Code::cancelled);
  }
}

// Goal: notices are told apart by number and by rank, the own one included. Method: both ranks put to both with all
// 256 numbers at once; each wait must end, and none is left over.
TEST_P(ConformanceOneSided, NoticesAreApartByRankAndNumber) {
  std::vector<std::unique_ptr<Target>> targets;
  std::vector<std::unique_ptr<Block>> sources;
  for (std::uint32_t me = 0; me < 2; ++me) {
    targets.push_back(std::make_unique<Target>(at(me), 2 * notice_count * 8, true));
    sources.push_back(std::make_unique<Block>(at(me), notice_count * 8));
    sources.back()->fill(me + 1);
  }
  for (std::uint32_t me = 0; me < 2; ++me) {
    for (std::uint32_t peer = 0; peer < 2; ++peer) {
      const auto key = at(peer).export_region(targets[peer]->region);
      ASSERT_TRUE(key.ok());
      const auto remote = at(me).import_region(Rank{peer}, *key);
      ASSERT_TRUE(remote.ok()) << remote.error().message;
      for (std::uint32_t n = 0; n < notice_count; ++n) {
        const std::size_t place = (me * notice_count + n) * 8;
        ASSERT_TRUE(at(me).start_put(*remote, place, sources[me]->slice(n * 8, 8), Notice{n}, 10'000).ok());
        ASSERT_TRUE(at(peer).start_await_notice(Rank{me}, Notice{n}, me * notice_count + n).ok());
      }
    }
  }
  for (std::uint32_t me = 0; me < 2; ++me) {
    for (std::uint32_t i = 0; i < 2 * notice_count; ++i) ASSERT_EQ(cluster_->await(me, i).code, Code::done);
    for (std::uint32_t i = 0; i < 2 * notice_count; ++i) ASSERT_EQ(cluster_->await(me, 10'000).code, Code::done);
    EXPECT_EQ(cluster_->left_over(me), 0u);
    for (std::uint32_t peer = 0; peer < 2; ++peer) {
      const std::byte* const source = sources[peer]->slice().data();
      EXPECT_TRUE(std::equal(source, source + notice_count * 8, targets[me]->region.base + peer * notice_count * 8));
    }
  }
}

// Goal: wrong puts are refused at once, in words, and write nothing. Method: each mistake once.
TEST_P(ConformanceOneSided, MistakesWithPutsAreNamed) {
  Target in(at(1), 100, false);
  Block out(at(0), 200);
  out.fill(6);
  const RemoteRegion remote = import_from_1(in.region);
  const auto code = [&](std::size_t offset, std::size_t bytes, std::uint32_t notice = 0) {
    const auto token = at(0).start_put(remote, offset, out.slice(0, bytes), Notice{notice}, 1);
    return token.ok() ? Code::done : token.error().code;
  };
  EXPECT_EQ(code(0, 101), Code::invalid_argument);
  EXPECT_EQ(code(93, 8), Code::invalid_argument);
  EXPECT_EQ(code(~std::size_t{0}, 8), Code::invalid_argument);
  EXPECT_EQ(code(~std::size_t{0} - 7, 8), Code::invalid_argument);
  EXPECT_EQ(code(0, 8, notice_count), Code::invalid_argument);
  EXPECT_EQ(at(1).start_await_notice(Rank{0}, Notice{notice_count}, 1).error().code, Code::invalid_argument);
  EXPECT_EQ(at(1).start_await_notice(Rank{2}, Notice{0}, 1).error().code, Code::invalid_argument);
  EXPECT_EQ(at(0).start_put(remote, 0, out.slice(193, 8), Notice{0}, 1).error().code, Code::invalid_argument);
  Region foreign = in.region;
  foreign.id = 77;
  EXPECT_EQ(at(1).export_region(foreign).error().code, Code::invalid_argument);
  at(0).release_remote(remote);
  EXPECT_EQ(code(0, 8), Code::invalid_argument);
  EXPECT_EQ(at(0).map_remote(remote).error().code, Code::invalid_argument);
  for (int i = 0; i < 100; ++i) cluster_->step();
  EXPECT_TRUE(in.is_zero(0, 100));
  EXPECT_EQ(cluster_->left_over(0), 0u);
}

// Goal: bytes that are no key of that peer and view are malformed, whatever they are. Method: every length, every
// byte changed, another rank's key, a key of the view before, one of a process that was there before.
TEST_P(ConformanceOneSided, ForeignDamagedAndStaleKeysAreMalformed) {
  Target in(at(1), 100, true);
  const auto key = at(1).export_region(in.region);
  ASSERT_TRUE(key.ok());
  const auto code = [&](const RegionKey& bytes, Rank peer = Rank{1}) {
    const auto remote = at(0).import_region(peer, bytes);
    return remote.ok() ? Code::done : remote.error().code;
  };
  for (std::size_t bytes = 0; bytes < key->size(); ++bytes) {
    EXPECT_EQ(code(RegionKey(key->begin(), key->begin() + static_cast<std::ptrdiff_t>(bytes))), Code::malformed);
  }
  for (std::size_t i = 0; i < key->size(); ++i) {
    RegionKey changed = *key;
    changed[i] ^= std::byte{0x10};
    EXPECT_EQ(code(changed), Code::malformed) << "byte " << i;
  }
  RegionKey longer = *key;
  longer.resize(key->size() + 1);
  EXPECT_EQ(code(longer), Code::malformed);
  EXPECT_EQ(code(RegionKey(1'000'000)), Code::malformed);
  EXPECT_EQ(code(*key, Rank{0}), Code::malformed);
  EXPECT_EQ(code(*key, Rank{2}), Code::invalid_argument);
  EXPECT_EQ(code(*key), Code::done);
  cluster_->close();
  EXPECT_EQ(code(*key), Code::invalid_argument);  // no view
  cluster_->open(2);
  EXPECT_EQ(code(*key), Code::malformed);
  auto fields = decode_region_key(*at(1).export_region(in.region));
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(code(encode_region_key(*fields)), Code::done);
  fields->owner_address ^= 1;
  EXPECT_EQ(code(encode_region_key(*fields)), Code::malformed);
}

// Goal: a put that its target knows nothing of is dropped, and harms nobody. Method: a region released by its owner
// after its key was given, puts short and long to it, then good ones beside it.
TEST_P(ConformanceOneSided, APutToAReleasedRegionIsDropped) {
  auto gone = std::make_unique<Target>(at(1), mebibyte, false);
  Target in(at(1), mebibyte, false);
  Block out(at(0), mebibyte);
  out.fill(7);
  const RemoteRegion to_gone = import_from_1(gone->region);
  const RemoteRegion to_in = import_from_1(in.region);
  // The memory stays, so that a byte which lands is seen.
  const std::unique_ptr<Target> kept = std::move(gone);
  at(1).release_memory(kept->region);
  std::uint64_t context = 10;
  for (const std::size_t bytes : {std::size_t{8}, std::size_t{9'000}, mebibyte}) {
    ASSERT_TRUE(at(0).start_put(to_gone, 0, out.slice(0, bytes), Notice{1}, context).ok());
    EXPECT_NE(cluster_->await(0, context++).code, Code::pending);
    ASSERT_TRUE(at(0).start_put(to_in, 0, out.slice(0, bytes), Notice{2}, context).ok());
    ASSERT_TRUE(at(1).start_await_notice(Rank{0}, Notice{2}, 1).ok());
    ASSERT_EQ(cluster_->await(1, 1).code, Code::done);
    EXPECT_EQ(cluster_->await(0, context++).code, Code::done);
  }
  EXPECT_TRUE(kept->is_zero(0, mebibyte));
}

// Goal: waits and puts of a lost peer end. Method: a wait and a long put pending, then fail_peer; what came before
// still ends its wait as done.
TEST_P(ConformanceOneSided, FailPeerEndsWaitsAndPuts) {
  Target in(at(1), mebibyte, false);
  Target mine(at(0), 8, false);
  Block out(at(0), mebibyte);
  Block peer_out(at(1), 8);
  const RemoteRegion remote = import_from_1(in.region);
  const auto key = at(0).export_region(mine.region);
  const auto back = at(1).import_region(Rank{0}, *key);
  ASSERT_TRUE(back.ok());
  ASSERT_TRUE(at(1).start_put(*back, 0, peer_out.slice(), Notice{1}, 1).ok());
  ASSERT_TRUE(at(0).start_await_notice(Rank{1}, Notice{1}, 1).ok());
  ASSERT_EQ(cluster_->await(0, 1).code, Code::done);
  ASSERT_TRUE(at(0).start_await_notice(Rank{1}, Notice{1}, 2).ok());
  ASSERT_TRUE(at(0).start_await_notice(Rank{1}, Notice{9}, 3).ok());
  ASSERT_TRUE(at(0).start_await_notice(Rank{0}, Notice{9}, 4).ok());
  ASSERT_TRUE(at(0).start_put(remote, 0, out.slice(), Notice{1}, 5).ok());
  at(0).fail_peer(Rank{1});
  EXPECT_EQ(cluster_->await(0, 2).code, Code::peer_lost);
  EXPECT_EQ(cluster_->await(0, 3).code, Code::peer_lost);
  const Code put = cluster_->await(0, 5).code;
  EXPECT_TRUE(put == Code::peer_lost || put == Code::done) << code_name(put);
  EXPECT_EQ(at(0).start_put(remote, 0, out.slice(), Notice{1}, 6).error().code, Code::peer_lost);
  EXPECT_EQ(at(0).start_await_notice(Rank{1}, Notice{1}, 6).error().code, Code::peer_lost);
  EXPECT_FALSE(cluster_->has(0, 4)) << "a wait for another rank";
  EXPECT_TRUE(at(1).close_view(2'000'000'000).ok());  // the long put may still be landing in rank 1's memory
}

// Goal: after a view is closed no put through its keys lands, also of a rank that still has it open. Method: rank 1
// closes and opens the next view with other members; rank 0 stays in the old one and puts, short and long, into
// memory of both kinds; the memory is watched while both poll on.
TEST_P(ConformanceOneSided, APutThroughAnOldViewNeverLands) {
  for (const bool own : {false, true}) {
    Cluster cluster(GetParam(), 2);
    cluster.open(1);
    Target in(cluster.at(1), mebibyte, own);
    Block out(cluster.at(0), mebibyte);
    out.fill(8);
    const auto key = cluster.at(1).export_region(in.region);
    ASSERT_TRUE(key.ok());
    const auto remote = cluster.at(0).import_region(Rank{1}, *key);
    ASSERT_TRUE(remote.ok());
    ASSERT_TRUE(cluster.at(0).start_put(*remote, 0, out.slice(), Notice{1}, 1).ok());
    ASSERT_TRUE(cluster.at(1).start_await_notice(Rank{0}, Notice{1}, 1).ok());
    ASSERT_EQ(cluster.await(1, 1).code, Code::done);
    ASSERT_EQ(cluster.await(0, 1).code, Code::done);
    ASSERT_TRUE(cluster.at(1).close_view(2'000'000'000).ok());
    EXPECT_TRUE(std::equal(out.slice().data(), out.slice().data() + mebibyte, in.region.base)) << "contents stay";
    std::memset(in.region.base, 0, mebibyte);
    ASSERT_TRUE(cluster.at(1).open_view({Epoch{2}, Rank{0}, {cluster.at(1).address()}}).ok());
    const auto next_key = cluster.at(1).export_region(in.region);
    ASSERT_TRUE(next_key.ok());
    for (const std::size_t bytes : {std::size_t{8}, std::size_t{9'000}, mebibyte}) {
      const auto late = cluster.at(0).start_put(*remote, 0, out.slice(0, bytes), Notice{1}, 2);
      EXPECT_TRUE(late.ok() || late.error().code == Code::peer_lost);
      for (int i = 0; i < 300; ++i) cluster.step();
      EXPECT_TRUE(in.is_zero(0, mebibyte)) << bytes << " B, own: " << own;
    }
    // The memory serves the new view.
    const auto self = cluster.at(1).import_region(Rank{0}, *next_key);
    ASSERT_TRUE(self.ok()) << self.error().message;
    Block again(cluster.at(1), 100);
    again.fill(9);
    ASSERT_TRUE(cluster.at(1).start_put(*self, 0, again.slice(), Notice{1}, 3).ok());
    ASSERT_TRUE(cluster.at(1).start_await_notice(Rank{0}, Notice{1}, 4).ok());
    EXPECT_EQ(cluster.await(1, 4).code, Code::done);
    EXPECT_TRUE(std::equal(again.slice().data(), again.slice().data() + 100, in.region.base));
  }
}

// Goal: memory of allocate_memory is zero, and a peer of this host reads it where it is. Method: what the owner writes
// before a message is what the peer sees after it; the own memory is its own address; registered memory is not mapped.
TEST_P(ConformanceOneSided, ARegionOfAPeerIsReadInPlace) {
  ASSERT_TRUE(at(0).capabilities().can_map);
  Target in(at(1), 100'000, true);
  EXPECT_TRUE(in.is_zero(0, 100'000));
  const RemoteRegion remote = import_from_1(in.region);
  const auto mapped = at(0).map_remote(remote);
  ASSERT_TRUE(mapped.ok()) << mapped.error().message;
  Block signal(at(0), 8);
  Block signal_out(at(1), 8);
  for (std::uint64_t round = 0; round < 50; ++round) {
    for (std::size_t i = 0; i < 100'000; ++i) in.region.base[i] = static_cast<std::byte>(mix64(round, i));
    ASSERT_TRUE(at(0).start_receive(Rank{1}, Tag{round}, signal.slice(), 1).ok());
    ASSERT_TRUE(at(1).start_send(Rank{0}, Tag{round}, signal_out.slice(), 2).ok());
    ASSERT_EQ(cluster_->await(0, 1).code, Code::done);
    ASSERT_EQ(cluster_->await(1, 2).code, Code::done);
    ASSERT_TRUE(std::equal(in.region.base, in.region.base + 100'000, *mapped));
  }
  const auto own = at(1).import_region(Rank{1}, *at(1).export_region(in.region));
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(*at(1).map_remote(*own), in.region.base);
  Target registered(at(1), 100, false);
  const auto unmapped = at(0).map_remote(import_from_1(registered.region));
  ASSERT_FALSE(unmapped.ok());
  EXPECT_EQ(unmapped.error().code, Code::unavailable);
}

// Goal: a mapping may still be read after its owner is lost, until it is released. Method: fail_peer,
// which closes the connection by force.
TEST_P(ConformanceOneSided, AMappingOutlivesItsOwnersDeath) {
  Target in(at(1), 10'000, true);
  std::memset(in.region.base, 7, 10'000);
  const RemoteRegion remote = import_from_1(in.region);
  const auto mapped = at(0).map_remote(remote);
  ASSERT_TRUE(mapped.ok());
  at(0).fail_peer(Rank{1});
  for (int i = 0; i < 100; ++i) cluster_->step();
  EXPECT_TRUE(std::all_of(*mapped, *mapped + 10'000, [](std::byte b) { return b == std::byte{7}; }));
  at(0).release_remote(remote);
  EXPECT_EQ(at(0).map_remote(remote).error().code, Code::invalid_argument);
}

// The order of a direct read: the owner writes, tells; the reader reads, tells; only then the owner writes again.
//
//   owner   write r   put/notice ──►        ◄── notice   write r+1
//   reader                       read r ────┘
//
// Returns in how many rounds the reader saw other bytes than the round's. Without the edge back the owner writes the
// next round as soon as it has told of this one.
std::size_t torn_rounds(Cluster& cluster, std::size_t rounds, bool with_release_edge) {
  constexpr std::size_t words = 4'096;
  Target data(cluster.at(1), words * 8, true);
  Target flag(cluster.at(0), 8, true);
  Target flag_back(cluster.at(1), 8, true);
  Block nothing(cluster.at(0), 8);
  Block nothing_back(cluster.at(1), 8);
  const auto import = [&](std::uint32_t from, std::uint32_t to, const Region& region) {
    const auto remote = cluster.at(to).import_region(Rank{from}, *cluster.at(from).export_region(region));
    GOSSAMER_CHECK(remote.ok(), remote.error().message);
    return *remote;
  };
  const auto mapped = cluster.at(0).map_remote(import(1, 0, data.region));
  GOSSAMER_CHECK(mapped.ok(), "the region can be mapped");
  const RemoteRegion to_reader = import(0, 1, flag.region);
  const RemoteRegion to_owner = import(1, 0, flag_back.region);
  auto* const written = reinterpret_cast<std::uint64_t*>(data.region.base);
  const auto* const read = reinterpret_cast<const std::uint64_t*>(*mapped);
  const auto write = [&](std::uint64_t round) { std::fill(written, written + words, mix64(round)); };
  std::size_t torn = 0;
  write(0);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto put = [&](std::size_t rank, const RemoteRegion& to, const Block& from) {
      GOSSAMER_CHECK(cluster.at(rank).start_put(to, 0, from.slice(), Notice{0}, 7).ok(), "a put");
    };
    GOSSAMER_CHECK(cluster.at(0).start_await_notice(Rank{1}, Notice{0}, 1).ok(), "a wait");
    put(1, to_reader, nothing_back);
    if (!with_release_edge) write(round + 1);
    if (cluster.await(0, 1).code != Code::done) return rounds;
    if (std::any_of(read, read + words, [&](std::uint64_t word) { return word != mix64(round); })) ++torn;
    GOSSAMER_CHECK(cluster.at(1).start_await_notice(Rank{0}, Notice{0}, 2).ok(), "a wait");
    put(0, to_owner, nothing);
    if (cluster.await(1, 2).code != Code::done) return rounds;
    if (with_release_edge) write(round + 1);
    if (cluster.await(0, 7).code != Code::done || cluster.await(1, 7).code != Code::done) return rounds;
  }
  return torn;
}

// Goal: with a release edge no reader sees the next round, and this test would notice a missing one. Method: many
// rounds with the edge; and a few in the same order of calls without it, where each must be torn.
TEST_P(ConformanceOneSided, ReleaseEdgesKeepReadersFromSeeingTheNextRound) {
  EXPECT_EQ(torn_rounds(*cluster_, 500, true), 0u);
  EXPECT_EQ(torn_rounds(*cluster_, 20, false), 20u);
}

}  // namespace
}  // namespace gossamer::transport
