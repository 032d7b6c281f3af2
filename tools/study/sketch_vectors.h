// The vectors that sketches are studied on, drawn from named distributions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gossamer::tools {

//   gaussian          standard normal
//   heavy-tailed      Student's t with 2 degrees of freedom: normal / sqrt(exponential), infinite variance
//   layer-clustered   64 runs of coordinates, cut at 63 uniformly random places; each normal times exp(2 n), n standard
//                     normal for the whole run: most of the energy lies in one to three runs
//   one-run           normal in 1,024 coordinates in a row at a random place (all, where there are fewer), 1/100 of a
//                     normal elsewhere: the hardest known case for segments of that length
//   every-16th-heavy  standard normal, times 20 at the multiples of 16
//   mean-shifted      3 + standard normal
//   one-hot           1/3 at a random place, else 0
inline const std::vector<std::string> sketch_vector_names = {
    "gaussian", "heavy-tailed", "layer-clustered", "one-run", "every-16th-heavy", "mean-shifted", "one-hot"};

// A draw of the named one, `dimension` > 0 long: the same for equal seeds, on every machine whose C library rounds
// log and cos alike.
[[nodiscard]] std::vector<float> draw_sketch_vector(const std::string& name, std::uint64_t dimension,
                                                    std::uint64_t seed);

}  // namespace gossamer::tools
