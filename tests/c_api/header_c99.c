/* The header alone, as C99 with pedantic errors; C++ reads it in c_api_test.cc. */
#include <gossamer.h>

gossamer_config config_of_the_initializer(void);
gossamer_config config_of_the_initializer(void) {
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  return config;
}
