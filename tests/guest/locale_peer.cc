// One rank whose program writes numbers in its own way, as those of graphical programs and of R do; LOCALE in the
// environment says which:
//
//   classic   as C does
//   facet     the C++ locale has 1.234,5
//   user      C and C++ have the locale of the environment
//
// Joins, exchanges one step, and prints what it sees, one line each.
#include <gossamer.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <locale>
#include <string>
#include <vector>

namespace {

constexpr std::size_t weight_count = 1'239'567;  // a number with thousands

struct CommaNumbers : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

void check(gossamer_status status, const char* where) {
  if (status == GOSSAMER_DONE) return;
  std::printf("error %s at %s: %s\n", gossamer_status_name(status), where, gossamer_last_error());
  std::exit(10);
}

bool choose_locale(const std::string& which) {
  if (which == "facet") std::locale::global(std::locale(std::locale::classic(), new CommaNumbers));
  if (which != "user") return true;
  if (std::setlocale(LC_ALL, "") == nullptr) return false;
  std::locale::global(std::locale(""));
  return true;
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (!choose_locale(std::getenv("LOCALE"))) {
    std::printf("error: no such locale\n");
    return 1;
  }
  const std::locale cpp_locale;
  const std::string c_locale = std::setlocale(LC_ALL, nullptr);
  std::printf("points %s %c\n", std::localeconv()->decimal_point,
              std::use_facet<std::numpunct<char>>(cpp_locale).decimal_point());

  gossamer_session* session = nullptr;
  check(gossamer_init(nullptr, &session), "init");
  const gossamer_tensor tensor = {"weights", weight_count, 0};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.tensors = &tensor;
  config.tensor_count = 1;
  gossamer_compressor* compressor = nullptr;
  check(gossamer_compressor_create(session, &config, &compressor), "compressor");
  std::vector<float> weights(weight_count, 0.5f);
  const float* const gradient = weights.data();
  float* const updated = weights.data();
  check(gossamer_compress(compressor, &gradient), "compress");
  gossamer_operation* operation = nullptr;
  check(gossamer_reduce(compressor, &operation), "reduce");
  check(gossamer_operation_wait(operation, 0), "wait");
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  check(gossamer_recover(compressor, &update), "recover");
  check(gossamer_update_apply(&update, &updated, -0.1f), "apply");
  check(gossamer_check_equal(session, "weights", weights.data(), weights.size() * sizeof(float), 0), "check");

  const std::string job = std::getenv("GOSSAMER_JOB");
  for (const auto& file : std::filesystem::recursive_directory_iterator("/dev/shm")) {
    const std::string path = file.path().string();
    if (path.find(job) != std::string::npos) std::printf("file %s\n", path.c_str());
  }
  check(gossamer_check_equal(session, "files", nullptr, 0, 0), "second check");  // nobody removes its files before

  config.density = 2.5;
  gossamer_compressor* wrong = nullptr;
  if (gossamer_compressor_create(session, &config, &wrong) != GOSSAMER_DONE)
    std::printf("message %s\n", gossamer_last_error());
  gossamer_finalize(session);
  std::printf("locales %s\n",
              std::locale() == cpp_locale && c_locale == std::setlocale(LC_ALL, nullptr) ? "kept" : "changed");
  std::printf("done\n");
  return 0;
}
