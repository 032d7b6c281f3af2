// Goal: any part of a rank is refused with its rank, or is what that rank would have sent. Method: what is read is
// written again by the sender's code.
//
//   input   | with values, 1 B | most indices, 1 B | dimension - 1, 2 B | part |
#include <vector>

#include "fuzz.h"
#include "runtime/algorithms/parts/index_gather.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  using runtime::IndexGather;
  fuzz::Input input(data, size);
  const bool with_values = input.take<std::uint8_t>() % 2 == 1;
  const std::uint64_t count_max = input.take<std::uint8_t>();
  const std::uint64_t dimension = std::uint64_t{1} + input.take<std::uint16_t>();

  runtime::AlgorithmContext context;
  auto layout = runtime::Layout::make({{"weights", dimension, false}});
  GOSSAMER_CHECK(layout.ok(), "one tensor is a layout");
  context.shape.layout = std::move(*layout);
  context.rank_count = 2;
  const Rank sender{1};
  const auto make = [&] {
    auto gather = IndexGather::make(context, count_max, with_values);
    GOSSAMER_CHECK(gather.ok(), "a small gather can be made");
    return std::move(*gather);
  };
  IndexGather gather = make();
  const auto stage = gather.stage(context, "indices");
  GOSSAMER_CHECK(stage.ok(), "a gather has a schedule");
  // The transport takes no part above its capacity.
  const std::span<const std::byte> bytes = input.take_bytes(stage->bytes_max);
  std::byte* part = stage->buffer + sender.value * runtime::part_stride(stage->bytes_max);
  if (!bytes.empty()) std::memcpy(part, bytes.data(), bytes.size());

  gather.fill(Rank{0}, runtime::no_flag, {}, {});
  const std::uint64_t sizes[] = {gather.size().own_bytes, bytes.size()};
  const Status flags = gather.check_flags(sizes, context.shape.layout);
  if (!flags.ok() && flags.error().code == Code::malformed) {
    if (bytes.size() < 16) {
      GOSSAMER_CHECK(flags.error().rank == sender, "a part without a header has a sender");
    } else {
      std::uint64_t flag = 0;
      std::memcpy(&flag, bytes.data(), sizeof flag);
      const std::uint64_t index = flag & ((std::uint64_t{1} << 40) - 1);
      GOSSAMER_CHECK(flag >> 40 >= std::size(sizes) || index >= dimension,
                     "only a flag of no rank or no coordinate is malformed");
    }
    return 0;
  }
  const auto read = gather.read(sender, bytes.size());
  if (!read.ok()) {
    fuzz::check_refusal(read.error(), Code::malformed);
    GOSSAMER_CHECK(read.error().rank == sender, "a refusal that does not name the sender");
    return 0;
  }
  GOSSAMER_CHECK(read->indices.size() <= count_max, "more indices than agreed");
  GOSSAMER_CHECK(read->values.size() == (with_values ? read->indices.size() : 0), "values that do not fit the indices");
  std::vector<float> v(dimension);
  for (std::size_t i = 0; i < read->indices.size(); ++i) {
    GOSSAMER_CHECK(read->indices[i] < dimension, "an index beyond the dimension");
    if (with_values) v[read->indices[i]] = read->values[i];
  }
  std::uint64_t flag = 0;
  std::memcpy(&flag, bytes.data(), sizeof flag);
  GOSSAMER_CHECK(flags.ok() == (flag == runtime::no_flag), "a flag that is not heard");
  IndexGather again = make();
  again.fill(sender, flag, read->indices, v);
  const auto again_stage = again.stage(context, "indices");
  GOSSAMER_CHECK(again.size().own_bytes == bytes.size(), "another length than its sender's");
  GOSSAMER_CHECK(std::equal(bytes.begin(), bytes.end(), again_stage->buffer + (part - stage->buffer)),
                 "other bytes than its sender's");
  return 0;
}
