#include "tools/train/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <numeric>
#include <span>

#include "temporary_folder.h"
#include "tools/train/idx.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

Bytes idx_bytes(const std::vector<std::uint32_t>& sizes, std::size_t values) {
  Bytes out = {0, 0, 8, static_cast<std::uint8_t>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(size >> shift));
  }
  for (std::size_t i = 0; i < values; ++i) out.push_back(static_cast<std::uint8_t>(i));
  return out;
}

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
}

Bytes gzip(const Bytes& bytes, const std::string& path) {
  const gzFile file = gzopen(path.c_str(), "wb");
  EXPECT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// Goal: a good file is read as it is. Method: three dimensions, every value checked.
TEST(Idx, GivesSizesAndValuesOfAGoodFile) {
  const Result<IdxArray> array = decode_idx("images", idx_bytes({2, 3, 4}, 24), 3);
  ASSERT_TRUE(array.ok()) << array.error().message;
  EXPECT_EQ(array->sizes, (std::vector<std::uint32_t>{2, 3, 4}));
  Bytes expected(24);
  std::iota(expected.begin(), expected.end(), std::uint8_t{0});
  EXPECT_EQ(array->values, expected);
}

// Goal: each way of being wrong is named with what was expected and found. Method: one broken file each.
TEST(Idx, SaysWhatIsWrongWithABadFile) {
  const auto message = [](const Bytes& bytes, std::uint32_t dimensions) {
    const Result<IdxArray> array = decode_idx("some-file", bytes, dimensions);
    return array.ok() ? std::string("accepted") : array.error().message;
  };
  EXPECT_THAT(message({0, 0}, 1), HasSubstr("some-file: expected an IDX header of 8 bytes, found 2"));
  EXPECT_THAT(message(idx_bytes({4}, 4), 3),
              HasSubstr("expected IDX magic 2051 (unsigned bytes, 3 dimensions), found 2049"));
  EXPECT_THAT(message(idx_bytes({4, 4, 4}, 63), 3),
              HasSubstr("expected 64 bytes (4 x 4 x 4) after the header, found 63"));
  EXPECT_THAT(message(idx_bytes({4}, 5), 1), HasSubstr("expected 4 bytes (4) after the header, found 5"));
  EXPECT_THAT(message(idx_bytes({0xffffffff, 0xffffffff, 0xffffffff}, 0), 3), HasSubstr("over the limit"));
}

// Goal: no bytes whatever make the decoder read or write out of bounds. Method: every prefix of a good file, and random
// changes to it, for the sanitizers to see; what is accepted has the size that it says.
TEST(Idx, SurvivesCutAndChangedFiles) {
  const Bytes good = idx_bytes({2, 3, 4}, 24);
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(decode_idx("cut", std::span(good).first(length), 3).ok()) << length;
  }
  Random random(11);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = good;
    for (std::uint64_t i = 0; i <= random.below(4); ++i)
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
    const auto kept = std::span<const std::uint8_t>(bytes).first(good.size() - random.below(3));
    const Result<IdxArray> array = decode_idx("changed", kept, static_cast<std::uint32_t>(1 + random.below(3)));
    if (!array.ok()) continue;
    std::uint64_t count = 1;
    for (const std::uint32_t size : array->sizes) count *= size;
    EXPECT_EQ(array->values.size(), count);
    ++accepted;
  }
  EXPECT_GT(accepted, 100);
}

// Goal: plain and compressed files are the same, the plain one first. Method: both forms of one array.
TEST(Idx, ReadsPlainAndCompressedFiles) {
  const TemporaryFolder folder;
  const Bytes bytes = idx_bytes({300}, 300);
  gzip(bytes, folder / "packed.gz");
  write_file(folder / "plain", bytes);
  const Result<IdxArray> packed = read_idx(folder.path(), "packed", 1);
  const Result<IdxArray> plain = read_idx(folder.path(), "plain", 1);
  ASSERT_TRUE(packed.ok()) << packed.error().message;
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_EQ(packed->values, plain->values);
}

// Goal: a download that was cut short is seen as such. Method: every tenth prefix of a compressed file.
TEST(Idx, SaysThatACompressedFileIsCutShort) {
  const TemporaryFolder folder;
  Random random(5);
  Bytes bytes = idx_bytes({5000}, 5000);
  for (std::size_t i = 8; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(random.next());
  const Bytes packed = gzip(bytes, folder / "whole.gz");
  for (std::size_t length = 20; length + 1 < packed.size(); length += packed.size() / 10) {
    write_file(folder / "cut.gz", Bytes(packed.begin(), packed.begin() + static_cast<long>(length)));
    const Result<IdxArray> array = read_idx(folder.path(), "cut", 1);
    ASSERT_FALSE(array.ok()) << length;
    EXPECT_EQ(array.error().code, Code::malformed);
    EXPECT_THAT(array.error().message, HasSubstr("cut.gz"));
  }
}

// Goal: missing files are named together with the package that brings them. Method: an empty folder.
TEST(FashionMnist, NamesTheMissingFileAndThePackage) {
  const TemporaryFolder folder;
  const Result<Dataset> dataset = load_fashion_mnist(folder.path());
  ASSERT_FALSE(dataset.ok());
  EXPECT_EQ(dataset.error().code, Code::unavailable);
  EXPECT_THAT(dataset.error().message, HasSubstr(folder / "train-images-idx3-ubyte"));
  EXPECT_THAT(dataset.error().message, HasSubstr("apt install dataset-fashion-mnist"));
}

// Goal: well-formed files of something else are refused. Method: counts and labels that are not Fashion-MNIST's.
TEST(FashionMnist, RefusesFilesOfAnotherDataSet) {
  const TemporaryFolder folder;
  write_file(folder / "train-images-idx3-ubyte", idx_bytes({10, 28, 28}, 7840));
  write_file(folder / "train-labels-idx1-ubyte", idx_bytes({10}, 10));
  const Result<Dataset> few = load_fashion_mnist(folder.path());
  ASSERT_FALSE(few.ok());
  EXPECT_THAT(few.error().message, HasSubstr("expected 60000 images of 28 x 28, found 10 of 28 x 28"));

  write_file(folder / "train-images-idx3-ubyte", idx_bytes({60'000, 28, 28}, 47'040'000));
  write_file(folder / "train-labels-idx1-ubyte", idx_bytes({60'000}, 60'000));  // values 0 to 255
  const Result<Dataset> labels = load_fashion_mnist(folder.path());
  ASSERT_FALSE(labels.ok());
  EXPECT_THAT(labels.error().message, HasSubstr("expected labels from 0 to 9, found 10 at place 10"));
}

// Goal: the synthetic set is the same for the same seed and can be learned. Method: equal and different seeds; every
// class appears, and features stay apart from the ends of their range.
TEST(Synthetic, IsSeededAndHasEveryClass) {
  const Result<Dataset> one = make_synthetic({});
  const Result<Dataset> same = make_synthetic({});
  const Result<Dataset> other = make_synthetic({4'000, 1'000, 64, 10, 2});
  ASSERT_TRUE(one.ok() && same.ok() && other.ok());
  EXPECT_EQ(one->train.values, same->train.values);
  EXPECT_EQ(one->test.labels, same->test.labels);
  EXPECT_NE(one->train.values, other->train.values);
  ASSERT_EQ(one->train.values.size(), 4'000u * 64);
  std::vector<int> seen(10);
  for (const std::uint8_t label : one->train.labels) ++seen.at(label);
  for (const int count : seen) EXPECT_GT(count, 200);
  float row[64];
  one->train.copy(17, row);
  for (const float each : row) {
    EXPECT_GE(each, 0.0f);
    EXPECT_LE(each, 1.0f);
  }
}

// Goal: sizes that make no data set are refused. Method: no samples, one class, too much memory.
TEST(Synthetic, RefusesSizesThatMakeNoDataSet) {
  EXPECT_FALSE(make_synthetic({0, 1, 1, 2, 1}).ok());
  EXPECT_FALSE(make_synthetic({10, 1, 1, 1, 1}).ok());
  EXPECT_FALSE(make_synthetic({4'000'000'000, 1, 65'536, 2, 1}).ok());
}

}  // namespace
}  // namespace gossamer::tools
