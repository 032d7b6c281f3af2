// Goal: any pair of gradient files is refused, or gives the finite values of its tensors that are not exact. Method:
// both files are written to a folder and read; the description is read again, strictly, beside it.
//
//   input   | length of the description, 2 B | description | values |
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "fuzz.h"
#include "tools/train/gradient_files.h"

namespace {

using namespace gossamer;

// Removed when the process ends in peace.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gossamer-fuzz-XXXXXX").string();
    GOSSAMER_CHECK(::mkdtemp(pattern.data()) != nullptr, "a folder for temporary files");
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  GOSSAMER_CHECK(file.flush().good(), "a small file can be written");
}

// What the description and the values say, taken at their word; stops the process where they say nothing.
std::vector<float> expected_values(std::string_view description, std::span<const std::byte> values) {
  const nlohmann::json document = nlohmann::json::parse(description);
  GOSSAMER_CHECK(document.at("step").is_number_unsigned(), "a step that does not count");
  GOSSAMER_CHECK(document.at("dimension").is_number_unsigned(), "a dimension that does not count");
  GOSSAMER_CHECK(document.at("tensors").is_array(), "tensors that are no list");
  std::vector<float> expected;
  std::size_t at = 0;
  for (const nlohmann::json& tensor : document.at("tensors")) {
    GOSSAMER_CHECK(tensor.at("count").is_number_unsigned(), "a tensor whose elements do not count");
    const std::size_t bytes = tensor.at("count").get<std::size_t>() * sizeof(float);
    GOSSAMER_CHECK(bytes <= values.size() - at, "values that are not in the file");
    if (!tensor.at("exact").get<bool>()) {
      const std::size_t before = expected.size();
      expected.resize(before + bytes / sizeof(float));
      if (bytes > 0) std::memcpy(expected.data() + before, values.data() + at, bytes);
    }
    at += bytes;
  }
  GOSSAMER_CHECK(at == values.size() && at / sizeof(float) == document.at("dimension"), "values that no tensor has");
  return expected;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  fuzz::Input input(data, size);
  const std::span<const std::byte> description = input.take_bytes(input.take<std::uint16_t>());
  const std::span<const std::byte> values = input.take_rest();
  write(folder.path() + "/gradient-1.json", description);
  write(folder.path() + "/gradient-1.f32", values);

  const auto gradients = tools::read_gradients(folder.path());
  if (!gradients.ok()) {
    fuzz::check_refusal(gradients.error(), Code::malformed);
    return 0;
  }
  GOSSAMER_CHECK(gradients->size() == 1 && gradients->front().name == "gradient-1", "one pair of files, one gradient");
  const std::vector<float>& got = gradients->front().values;
  for (const float value : got) GOSSAMER_CHECK(std::isfinite(value), "a gradient that is not finite");
  const std::vector<float> expected = expected_values(fuzz::as_text(description), values);
  GOSSAMER_CHECK(got == expected, "other values than the file's");
  return 0;
}
