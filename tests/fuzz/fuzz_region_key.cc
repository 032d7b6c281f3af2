// Goal: any bytes are refused, or are the key that encode_region_key writes for what was read; then the key is taken
// for its owner in its view alone, and names nothing outside of the folders of shared memory. Method: the input is a
// key; its checksum is put right on demand, since no mutation would hit it.
//
//   input   | bit 0: put the checksum right, 1 B | key |
#include "fuzz.h"
#include "transport/region_key.h"
#include "transport/shared_memory.h"

namespace {

using namespace gossamer;
using transport::RegionKey;
using transport::RegionKeyFields;

// | mark, 8 B | checksum, 8 B | what it is of |
void put_checksum_right(RegionKey& key) {
  constexpr std::size_t at = 8;
  constexpr std::size_t from = at + sizeof(std::uint64_t);
  if (key.size() < from) return;
  const std::uint64_t checksum = transport::hash_bytes(std::span(key).subspan(from));
  std::memcpy(key.data() + at, &checksum, sizeof checksum);
}

bool is_taken(const RegionKey& key, Epoch epoch, Rank owner, const transport::Address& address) {
  const auto checked = transport::check_region_key(key, epoch, owner, address);
  if (!checked.ok()) fuzz::check_refusal(checked.error(), Code::malformed);
  return checked.ok();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const bool right = (input.take<std::uint8_t>() & 1) != 0;
  const auto bytes = input.take_rest();
  RegionKey key(bytes.begin(), bytes.end());
  if (right) put_checksum_right(key);

  const transport::Address address(40, std::byte{7});
  const auto read = transport::decode_region_key(key);
  if (!read.ok()) {
    fuzz::check_refusal(read.error(), Code::malformed);
    GOSSAMER_CHECK(!is_taken(key, Epoch{1}, Rank{0}, address), "a key that cannot be read is taken");
    return 0;
  }
  GOSSAMER_CHECK(read->folder.size() <= transport::key_folder_bytes_max, "a folder's name without bounds");
  GOSSAMER_CHECK(transport::encode_region_key(*read) == key, "another key when written again");
  const auto path = transport::shared_folder_path(read->folder);
  if (path.ok()) {
    GOSSAMER_CHECK(*path == "/dev/shm/" + read->folder, "a path that is not the folder's");
    GOSSAMER_CHECK(read->folder.find('/') == std::string::npos && read->folder.find('\0') == std::string::npos,
                   "a folder somewhere else");
  }

  RegionKeyFields of_address = *read;
  of_address.owner_address = transport::hash_bytes(address);
  const RegionKey good = transport::encode_region_key(of_address);
  const Epoch epoch = read->epoch;
  const Rank owner = read->owner;
  GOSSAMER_CHECK(is_taken(good, epoch, owner, address), "a good key is refused");
  GOSSAMER_CHECK(!is_taken(good, Epoch{epoch.value + 1}, owner, address), "a key of another view is taken");
  GOSSAMER_CHECK(!is_taken(good, epoch, Rank{owner.value + 1}, address), "a key of another rank is taken");
  GOSSAMER_CHECK(!is_taken(good, epoch, owner, transport::Address(41, std::byte{7})), "a key of another process");
  return 0;
}
