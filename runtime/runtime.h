// The public header of `runtime`: sessions, compressors, settings. The simulation of a cluster, for tests, has its own
// (simulation/sim_cluster.h).
#pragma once

#include "runtime/algorithms/catalogue.h"
#include "runtime/algorithms/compressor_config.h"
#include "runtime/algorithms/parts/update.h"
#include "runtime/bootstrap/caller.h"
#include "runtime/control/joining/interfaces.h"
#include "runtime/control/joining/local_host.h"
#include "runtime/session/clock_offset.h"
#include "runtime/session/compressor.h"
#include "runtime/session/joined_members.h"
#include "runtime/session/launchers.h"
#include "runtime/session/saved_state.h"
#include "runtime/session/session.h"
#include "runtime/session/settings.h"
#include "runtime/session/version.h"
