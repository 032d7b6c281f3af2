// What the two implementations of CountSketch share: the rules for shapes.
#pragma once

#include "sketch/sketch.h"

namespace gossamer::sketch {

[[nodiscard]] Status check_sketch_shape(const SketchShape& shape);

}  // namespace gossamer::sketch
