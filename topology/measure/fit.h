// From samples to estimates: medians with intervals, and LogGP by regression.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "topology/measure/measurement.h"

namespace gossamer::topology {

// The median, and two of the samples that hold the true one in 95 of 100 cases whatever their distribution is: their
// ranks come from the binomial distribution (David and Nagaraja, Order Statistics, 7.1). With fewer than six samples no
// two of them do; then least and largest. Sorts the samples. Zeros for none.
[[nodiscard]] Estimate median_estimate(std::vector<double>& samples);

// Of one-way times of messages of one size. Sorts the samples; at least one.
[[nodiscard]] SizeSamples summarize(std::uint64_t bytes, std::vector<double>& samples_ns);

// The line through the medians: time = alpha + beta bytes. Each size counts by its relative error, at least 2 % (a
// transport's protocols are no line to the last per cent), and those far off the line by less (Huber 1964), so that one
// disturbed size bends nothing. Where small and large sizes clearly lie on two lines, as where a transport changes its
// protocol or a shaper lets a burst pass, alpha is the small ones' and beta the large ones'. Intervals from the
// covariance, widened where the sizes do not lie on a line. Nothing for fewer than two sizes; with exactly two the line
// is theirs and so is its interval.
[[nodiscard]] std::optional<LogGp> fit_log_gp(std::span<const SizeSamples> sizes, const Estimate& gap_ns,
                                              const Estimate& overhead_ns);

}  // namespace gossamer::topology
