#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN  // Catch2 v3 brings its own main
#include <catch2/catch.hpp>
#endif
