# Headers, emulsionConfig.cmake with its version file, and a pkg-config file: nothing that depends on the machine, but
# for emulsion::compiled, if that was asked for.
include(CMakePackageConfigHelpers)
set(package_folder "${CMAKE_INSTALL_DATADIR}/cmake/emulsion")
configure_package_config_file(cmake/emulsionConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/emulsionConfig.cmake"
                              INSTALL_DESTINATION "${package_folder}")
set(any_machine ARCH_INDEPENDENT)
if(EMULSION_BUILD_COMPILED)
  set(any_machine)
  install(TARGETS emulsion_compiled EXPORT emulsionTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/emulsionConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion ${any_machine})
configure_file(cmake/emulsion.pc.in "${CMAKE_CURRENT_BINARY_DIR}/emulsion.pc" @ONLY)

install(DIRECTORY include/emulsion DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(TARGETS emulsion EXPORT emulsionTargets)
install(EXPORT emulsionTargets NAMESPACE emulsion:: DESTINATION "${package_folder}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/emulsionConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/emulsionConfigVersion.cmake"
        DESTINATION "${package_folder}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/emulsion.pc" DESTINATION share/pkgconfig)
