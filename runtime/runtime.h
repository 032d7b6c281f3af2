// The public header of `runtime`: sessions, compressors, settings, and the simulation of a cluster.
#pragma once

#include "runtime/algorithms/compressor_config.h"
#include "runtime/algorithms/parts/apply_update.h"
#include "runtime/compressor.h"
#include "runtime/launchers.h"
#include "runtime/session.h"
#include "runtime/settings.h"
#include "runtime/sim_cluster.h"
#include "runtime/version.h"
