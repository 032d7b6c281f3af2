// The public header of `runtime`: sessions, compressors, settings, and the simulation of a cluster.
#pragma once

#include "runtime/algorithms/catalogue.h"
#include "runtime/algorithms/compressor_config.h"
#include "runtime/algorithms/parts/apply_update.h"
#include "runtime/session/compressor.h"
#include "runtime/session/launchers.h"
#include "runtime/session/session.h"
#include "runtime/session/settings.h"
#include "runtime/simulation/sim_cluster.h"
#include "runtime/version.h"
