// The public header of `base`: what every layer may use.
#pragma once

#include "base/check.h"
#include "base/clock.h"
#include "base/device_memory.h"
#include "base/float_environment.h"
#include "base/function_ref.h"
#include "base/log.h"
#include "base/memory_kind.h"
#include "base/prefetch.h"
#include "base/random.h"
#include "base/rank.h"
#include "base/result.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "base/unique_descriptor.h"
