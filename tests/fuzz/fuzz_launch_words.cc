// Goal: whatever a launcher's key-value space, a line of PMI or a list of hosts holds is refused, or means one thing.
// Method: words that are taken are written as they were; what is found of the others is a part of the text.
#include "fuzz.h"
#include "runtime/bootstrap/caller.h"
#include "runtime/bootstrap/meet.h"
#include "runtime/bootstrap/pmi.h"
#include "runtime/bootstrap/slurm.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const std::string words(fuzz::as_text(input.take_rest()));
  if (const auto meeting = runtime::decode_words(words); meeting.ok())
    GOSSAMER_CHECK(runtime::encode_words(*meeting) == words, "words that are written otherwise");
  for (const char* const key : {"cmd", "rc", "value", "kvsname"})
    if (const auto word = runtime::pmi_word(words, key))
      GOSSAMER_CHECK(words.find(text(key, "=", *word)) != std::string::npos, "a word that is not the line's");
  if (const auto host = runtime::first_host(words))
    GOSSAMER_CHECK(!host->empty() && host->size() <= words.size(), "a host that is not the list's");
  if (runtime::is_mapping_of_one_host(words))
    GOSSAMER_CHECK(words.starts_with("(vector,(0,1,"), "a mapping that is none");
  (void)runtime::make_id_bootstrap(words, {Rank{1}, 2});
  return 0;
}
