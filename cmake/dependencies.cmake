# Finds what emulsion needs: the system's copy or one unpacked by cmake/setup.sh.
list(APPEND CMAKE_PREFIX_PATH "${CMAKE_CURRENT_SOURCE_DIR}/build/deps/usr")

# Eigen 3.4 or newer. Eigen 5 refuses find_package(Eigen3 3.4), so the version is compared afterwards.
macro(emulsion_find_eigen)
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 REQUIRED NO_MODULE)
    if(Eigen3_VERSION VERSION_LESS 3.4)
      message(FATAL_ERROR "emulsion needs Eigen 3.4 or newer; found ${Eigen3_VERSION}")
    endif()
  endif()
endmacro()
