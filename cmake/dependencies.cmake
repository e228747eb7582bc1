# Finds what emulsion needs: a target of the parent project, the system's copy, one unpacked by cmake/setup.sh, or,
# last, a pinned download. All unpacked things share one folder, so that every build folder finds them.
if(PROJECT_IS_TOP_LEVEL)
  set(emulsion_deps "${CMAKE_CURRENT_SOURCE_DIR}/build/deps")
else()
  set(emulsion_deps "${CMAKE_CURRENT_BINARY_DIR}/deps")
endif()
list(APPEND CMAKE_PREFIX_PATH "${emulsion_deps}/usr")

# Downloads `url` to `file`, or says in one sentence what is missing (FetchContent would print a page): an error, or
# whatever `severity` says.
function(emulsion_download severity name package url sha256 file)
  if(NOT EXISTS "${file}")
    message(STATUS "${name} is not installed; fetching ${url}")
    file(DOWNLOAD "${url}" "${file}.part" STATUS status INACTIVITY_TIMEOUT 20)
    list(GET status 0 code)
    if(code EQUAL 0)
      file(SHA256 "${file}.part" actual)
      if(actual STREQUAL sha256)
        file(RENAME "${file}.part" "${file}")
        return()
      endif()
      set(status "its SHA-256 is ${actual}")
    endif()
    file(REMOVE "${file}.part")
    message(${severity} "${name} is missing and could not be fetched (${status}); run: sudo apt-get install ${package}")
  endif()
endfunction()

# A header-only library as a target; IMPORTED makes its headers system headers, free of our warnings.
macro(emulsion_header_target target folder)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} INTERFACE "${folder}")
endmacro()

# Eigen 3.4 or newer. Eigen 5 refuses find_package(Eigen3 3.4), so the version is compared afterwards.
macro(emulsion_find_eigen)
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 QUIET NO_MODULE)
    if(NOT TARGET Eigen3::Eigen)
      emulsion_download(FATAL_ERROR Eigen libeigen3-dev https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz
        8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72 "${emulsion_deps}/eigen-3.4.0.tar.gz")
      if(NOT EXISTS "${emulsion_deps}/eigen-3.4.0/Eigen/Core")
        file(ARCHIVE_EXTRACT INPUT "${emulsion_deps}/eigen-3.4.0.tar.gz" DESTINATION "${emulsion_deps}")
      endif()
      emulsion_header_target(Eigen3::Eigen "${emulsion_deps}/eigen-3.4.0")
    elseif(Eigen3_VERSION VERSION_LESS 3.4)
      message(FATAL_ERROR "emulsion needs Eigen 3.4 or newer; found ${Eigen3_VERSION} in ${Eigen3_DIR}")
    endif()
  endif()
endmacro()

# nlohmann_json serves only the optional model files, so that its absence is no error. `fetch`: for our own tests.
macro(emulsion_find_json fetch)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json QUIET)
    if(NOT TARGET nlohmann_json::nlohmann_json AND ${fetch})
      emulsion_download(STATUS nlohmann_json nlohmann-json3-dev https://github.com/nlohmann/json/releases/download/v3.11.3/json.hpp
        9bea4c8066ef4a1c206b2be5a36302f8926f7fdc6087af5d20b417d0cf103ea6 "${emulsion_deps}/single/nlohmann/json.hpp")
      if(EXISTS "${emulsion_deps}/single/nlohmann/json.hpp")
        emulsion_header_target(nlohmann_json::nlohmann_json "${emulsion_deps}/single")
      endif()
    endif()
  endif()
endmacro()

# Catch2 v2 (one header) or v3.
macro(emulsion_find_catch2)
  if(NOT TARGET Catch2::Catch2)
    find_package(Catch2 QUIET)
    if(NOT TARGET Catch2::Catch2)
      emulsion_download(FATAL_ERROR Catch2 catch2 https://github.com/catchorg/Catch2/releases/download/v2.13.10/catch.hpp
        3725c0f0a75f376a5005dde31ead0feb8f7da7507644c201b814443de8355170 "${emulsion_deps}/single/catch2/catch.hpp")
      emulsion_header_target(Catch2::Catch2 "${emulsion_deps}/single")
    endif()
  endif()
endmacro()
