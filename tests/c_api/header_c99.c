/* The header alone, with its initializers, as C99 with pedantic errors; tests/cpp compiles it in later standards and as C++ too. */
#include <gossamer.h>

gossamer_config config_of_the_initializer(void);
gossamer_config config_of_the_initializer(void) {
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  return config;
}
